"""The public names of the toolkit. Each is imported when it is first used: `import strangler` costs next to nothing.

>>> from strangler import Call
>>> Call("mail", "send", {"to": "ann@example.invalid"}).vendor
'mail'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox.lazy import names_from

if TYPE_CHECKING:
    from outbox import Policy
    from outbox.event import Event
    from strangler.choreography.graph import Choreography
    from strangler.contexts import Context
    from strangler.errors import StranglerError
    from strangler.keys import Derived
    from strangler.ownership import Owner, Ownership
    from strangler.plan import Check, Plan, Step, load_plan
    from strangler.processes import Process
    from strangler.routes import Route
    from strangler.schema import migrate
    from strangler.service.declaration import Service
    from strangler.service.http_vendor import HttpVendor
    from strangler.service.rows import Rows
    from strangler.service.serving import run
    from strangler.service.smtp_vendor import SmtpVendor
    from strangler.shared_state.shared import Shared
    from strangler.step.intents import Call, Emit, Outcome, Write
    from strangler.step.vendor import Answer, Vendor
    from strangler.subject import Subject
    from strangler.witness import Sql

__all__ = [
    "Answer",
    "Call",
    "Check",
    "Choreography",
    "Context",
    "Derived",
    "Emit",
    "Event",
    "HttpVendor",
    "Outcome",
    "Owner",
    "Ownership",
    "Plan",
    "Policy",
    "Process",
    "Route",
    "Rows",
    "Service",
    "Shared",
    "SmtpVendor",
    "Sql",
    "Step",
    "StranglerError",
    "Subject",
    "Vendor",
    "Write",
    "load_plan",
    "migrate",
    "run",
]

_HOMES = {
    "outbox": ("Policy",),
    "outbox.event": ("Event",),
    "strangler.shared_state.shared": ("Shared",),
    "strangler.choreography.graph": ("Choreography",),
    "strangler.contexts": ("Context",),
    "strangler.errors": ("StranglerError",),
    "strangler.keys": ("Derived",),
    "strangler.ownership": (
        "Owner",
        "Ownership",
    ),
    "strangler.plan": (
        "Check",
        "Plan",
        "Step",
        "load_plan",
    ),
    "strangler.processes": ("Process",),
    "strangler.routes": ("Route",),
    "strangler.schema": ("migrate",),
    "strangler.service.declaration": ("Service",),
    "strangler.service.http_vendor": ("HttpVendor",),
    "strangler.service.rows": ("Rows",),
    "strangler.service.serving": ("run",),
    "strangler.service.smtp_vendor": ("SmtpVendor",),
    "strangler.step.intents": (
        "Call",
        "Emit",
        "Outcome",
        "Write",
    ),
    "strangler.step.vendor": (
        "Answer",
        "Vendor",
    ),
    "strangler.subject": ("Subject",),
    "strangler.witness": ("Sql",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # else every misspelled name would have a type
    __getattr__ = names_from(__name__, _HOME_OF)


def __dir__() -> list[str]:
    return __all__
