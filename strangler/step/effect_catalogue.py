"""Every metric of a context's effects. Pure."""

from __future__ import annotations

from outbox.catalogue import COUNTS as CONSUMER
from outbox.catalogue import LAG, MEMBER, SATURATION, Described

EFFECTS = (
    Described(
        "effect_answered",
        "counter",
        ("vendor", "answer", "said"),
        "calls to a vendor, by what is known after them and the status or error that said it",
    ),
    Described(
        "effect_put_off",
        "counter",
        ("clause",),
        "effects whose retry began to wait, by the clause; not counted anew at each look",
    ),
    Described("effect_breaker", "counter", ("vendor", "state"), "a vendor's breaker opened or closed"),
    Described(
        "effect_unsettled",
        "counter",
        ("vendor",),
        "an effect whose outcome nobody can find out by asking: an operator settles it, `strangler effects`",
    ),
    Described("effect_waiting", "gauge", ("vendor", "state"), "effects that are not at their end, by their state"),
    Described("effect_waiting_seconds", "gauge", ("vendor",), "since the oldest of them was planned"),
    Described("effect_call_seconds", "histogram", ("vendor",), "a call to a vendor, until its answer or its timeout"),
    Described("effect_call_slots", "gauge", (), "calls that this process makes at once, each with a connection"),
    Described("effect_calls_in_use", "gauge", ("vendor",), "of them, those under way"),
    Described(
        "effect_rate_limit",
        "gauge",
        ("vendor",),
        "calls a second that a vendor is given: as declared, or less since it asked for patience; 0: without limit",
    ),
    Described("effect_breaker_open", "gauge", ("vendor",), "1 while a vendor gets probes only"),
)
MODES = (Described("context_mode", "gauge", ("mode",), "1 while the mode holds by which the context does otherwise"),)
# What a context serves.
CATALOGUE = (*LAG, *MEMBER, *SATURATION, *CONSUMER, *EFFECTS, *MODES)
