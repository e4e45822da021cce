"""The public names of the toolkit. Each is imported when it is first used: `import strangler` costs next to nothing.

>>> from strangler import Call
>>> Call("mail", "send", {"to": "ann@example.invalid"}).vendor
'mail'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox.lazy import names_from

if TYPE_CHECKING:
    from outbox import Policy as Policy
    from outbox.event import Event as Event
    from strangler.admission.bulk import Bulk as Bulk
    from strangler.admission.declared import Admission as Admission
    from strangler.admission.declared import Belongs as Belongs
    from strangler.admission.declared import FoundSlots as FoundSlots
    from strangler.admission.work_class import LagPromise as LagPromise
    from strangler.admission.work_class import WorkClass as WorkClass
    from strangler.choreography.graph import Choreography as Choreography
    from strangler.contexts import Context as Context
    from strangler.errors import StranglerError as StranglerError
    from strangler.keys import Derived as Derived
    from strangler.modes.declared import Mode as Mode
    from strangler.ownership import Owner as Owner
    from strangler.ownership import Ownership as Ownership
    from strangler.plan import Check as Check
    from strangler.plan import Plan as Plan
    from strangler.plan import Step as Step
    from strangler.plan import load_plan as load_plan
    from strangler.processes import Process as Process
    from strangler.reads.declared import ReadRoute as ReadRoute
    from strangler.routes import Route as Route
    from strangler.schema import migrate as migrate
    from strangler.service.declaration import Service as Service
    from strangler.service.function_vendor import FunctionVendor as FunctionVendor
    from strangler.service.http_vendor import HttpVendor as HttpVendor
    from strangler.service.rows import Rows as Rows
    from strangler.service.serving import run as run
    from strangler.service.smtp_vendor import SmtpVendor as SmtpVendor
    from strangler.shared_state.shared import Shared as Shared
    from strangler.step.intents import Call as Call
    from strangler.step.intents import Emit as Emit
    from strangler.step.intents import Outcome as Outcome
    from strangler.step.intents import Write as Write
    from strangler.step.vendor import Answer as Answer
    from strangler.step.vendor import Vendor as Vendor
    from strangler.subject import Subject as Subject
    from strangler.witness import Sql as Sql

_HOMES = {
    "Admission": "strangler.admission.declared",
    "Answer": "strangler.step.vendor",
    "Belongs": "strangler.admission.declared",
    "Bulk": "strangler.admission.bulk",
    "Call": "strangler.step.intents",
    "Check": "strangler.plan",
    "Choreography": "strangler.choreography.graph",
    "Context": "strangler.contexts",
    "Derived": "strangler.keys",
    "Emit": "strangler.step.intents",
    "Event": "outbox.event",
    "FoundSlots": "strangler.admission.declared",
    "FunctionVendor": "strangler.service.function_vendor",
    "HttpVendor": "strangler.service.http_vendor",
    "LagPromise": "strangler.admission.work_class",
    "Mode": "strangler.modes.declared",
    "Outcome": "strangler.step.intents",
    "Owner": "strangler.ownership",
    "Ownership": "strangler.ownership",
    "Plan": "strangler.plan",
    "Policy": "outbox",
    "Process": "strangler.processes",
    "ReadRoute": "strangler.reads.declared",
    "Route": "strangler.routes",
    "Rows": "strangler.service.rows",
    "Service": "strangler.service.declaration",
    "Shared": "strangler.shared_state.shared",
    "SmtpVendor": "strangler.service.smtp_vendor",
    "Sql": "strangler.witness",
    "Step": "strangler.plan",
    "StranglerError": "strangler.errors",
    "Subject": "strangler.subject",
    "Vendor": "strangler.step.vendor",
    "WorkClass": "strangler.admission.work_class",
    "Write": "strangler.step.intents",
    "load_plan": "strangler.plan",
    "migrate": "strangler.schema",
    "run": "strangler.service.serving",
}
__all__ = list(_HOMES)

if not TYPE_CHECKING:  # else every misspelled name would have a type
    __getattr__, __dir__ = names_from(__name__, _HOMES)
