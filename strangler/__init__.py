"""The public names of the toolkit. Each is imported when it is first used: `import strangler` costs next to nothing.

>>> from strangler import Call
>>> Call("mail", "send", {"to": "ann@example.invalid"}).vendor
'mail'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outbox import Policy as Policy
    from outbox.event import Event as Event
    from outbox.policy import DuplicateImpact as DuplicateImpact
    from outbox.policy import Expired as Expired
    from outbox.policy import Loss as Loss
    from outbox.policy import OverBudget as OverBudget
    from outbox.policy import Quarantine as Quarantine
    from outbox.policy import Retry as Retry
    from outbox.policy import Sampling as Sampling
    from outbox.policy import ServiceClass as ServiceClass
    from outbox.policy import Versions as Versions
    from strangler.authority.shared import Holder as Holder
    from strangler.authority.shared import Shared as Shared
    from strangler.choreography.graph import Choreography as Choreography
    from strangler.contexts import Context as Context
    from strangler.errors import BadInput as BadInput
    from strangler.errors import DependencyDown as DependencyDown
    from strangler.errors import RefusedError as RefusedError
    from strangler.errors import StranglerError as StranglerError
    from strangler.facts import Fact as Fact
    from strangler.facts import OrderFacts as OrderFacts
    from strangler.ownership import Owner as Owner
    from strangler.ownership import Ownership as Ownership
    from strangler.ownership import bucket as bucket
    from strangler.plan import Check as Check
    from strangler.plan import Plan as Plan
    from strangler.plan import Process as Process
    from strangler.plan import Step as Step
    from strangler.plan import load_plan as load_plan
    from strangler.routes import Route as Route
    from strangler.schema import migrate as migrate
    from strangler.service.declaration import Service as Service
    from strangler.service.http_vendor import HttpVendor as HttpVendor
    from strangler.service.resumer import Resumer as Resumer
    from strangler.service.review import Review as Review
    from strangler.service.rows import Rows as Rows
    from strangler.service.serving import run as run
    from strangler.service.settings import RunSettings as RunSettings
    from strangler.step.apply import NumberedWrite as NumberedWrite
    from strangler.step.apply import emitted as emitted
    from strangler.step.effect_table import Effect as Effect
    from strangler.step.effect_table import Ending as Ending
    from strangler.step.intents import Call as Call
    from strangler.step.intents import Emit as Emit
    from strangler.step.intents import Intent as Intent
    from strangler.step.intents import Json as Json
    from strangler.step.intents import Outcome as Outcome
    from strangler.step.intents import Write as Write
    from strangler.step.intents import effect_key as effect_key
    from strangler.step.intents import first_number as first_number
    from strangler.step.seam import seam as seam
    from strangler.step.storable import encode as encode
    from strangler.step.vendor import Answer as Answer
    from strangler.step.vendor import AnswerKind as AnswerKind
    from strangler.step.vendor import Vendor as Vendor
    from strangler.subject import Subject as Subject

_HOMES = {
    "outbox": "Policy",
    "outbox.event": "Event",
    "outbox.policy": "DuplicateImpact Expired Loss OverBudget Quarantine Retry Sampling ServiceClass Versions",
    "strangler.authority.shared": "Holder Shared",
    "strangler.choreography.graph": "Choreography",
    "strangler.contexts": "Context",
    "strangler.errors": "BadInput DependencyDown RefusedError StranglerError",
    "strangler.facts": "Fact OrderFacts",
    "strangler.ownership": "Owner Ownership bucket",
    "strangler.plan": "Check Plan Process Step load_plan",
    "strangler.routes": "Route",
    "strangler.subject": "Subject",
    "strangler.schema": "migrate",
    "strangler.service.declaration": "Service",
    "strangler.service.http_vendor": "HttpVendor",
    "strangler.service.resumer": "Resumer",
    "strangler.service.review": "Review",
    "strangler.service.rows": "Rows",
    "strangler.service.serving": "run",
    "strangler.service.settings": "RunSettings",
    "strangler.step.apply": "NumberedWrite emitted",
    "strangler.step.effect_table": "Effect Ending",
    "strangler.step.intents": "Call Emit Intent Json Outcome Write effect_key first_number",
    "strangler.step.seam": "seam",
    "strangler.step.storable": "encode",
    "strangler.step.vendor": "Answer AnswerKind Vendor",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - a test holds it against the imports above


if not TYPE_CHECKING:  # so that a name which is none is an error to a type checker

    def __getattr__(name: str) -> object:
        module = _HOME_OF.get(name)
        if module is None:
            raise AttributeError(f"module 'strangler' has no attribute {name!r}")
        value = getattr(import_module(module), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME_OF})
