"""How a vendor misbehaves: knobs for each book, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

MAX_WAIT_MS = 120_000
SHARES = (
    "slow_share",
    "effect_then_slow_share",
    "effect_then_timeout",
    "error_share",
    "hang_share",
    "decline_share",
)


class BadKnob(Exception):
    """A knob that does not exist, or a value that it cannot have."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """Shares are of requests, 0..1, and are drawn in the order below; at most one strikes a request.

    error: 503, nothing done. hang: silence for `hang_ms`, then 504, nothing done. slow: `slow_ms`, then done.
    effect_then_slow: done, then `effect_then_slow_ms` until the answer. effect_then_timeout: done, then `hang_ms`
    and 504. decline: 402, nothing done. Every request takes `latency_ms`. Above `rate_limit_per_s` (0 = none): 429.
    A key is recognised for `key_ttl_s`. `seed` makes the draws repeatable.
    """

    latency_ms: int = 0
    error_share: float = 0.0
    hang_share: float = 0.0
    hang_ms: int = 10_000
    slow_share: float = 0.0
    slow_ms: int = 0
    effect_then_slow_share: float = 0.0
    effect_then_slow_ms: int = 0
    effect_then_timeout: float = 0.0
    decline_share: float = 0.0
    rate_limit_per_s: float = 0.0
    key_ttl_s: float = 86_400.0
    seed: int = 0

    def turned(self, changes: Mapping[str, Any]) -> Knobs:
        """These knobs with some of them changed, or `BadKnob`."""
        known = {field.name: field.type for field in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise BadKnob(f"no knob {name[:80]!r}; known: {', '.join(known)}")
            wanted = (int,) if known[name] == "int" else (int, float)
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise BadKnob(f"{name} must be {'a whole number' if wanted == (int,) else 'a number'}")
        turned = Knobs(**{**asdict(self), **changes})
        turned._check()
        return turned

    def _check(self) -> None:
        shares = [getattr(self, name) for name in SHARES]
        if not all(0 <= share <= 1 for share in shares) or sum(shares) > 1:
            raise BadKnob(f"shares lie between 0 and 1 and sum to at most 1; got {shares}")
        waits = (self.latency_ms, self.hang_ms, self.slow_ms, self.effect_then_slow_ms)
        if not all(0 <= wait <= MAX_WAIT_MS for wait in waits):
            raise BadKnob(f"waits lie between 0 and {MAX_WAIT_MS} ms; got {list(waits)}")
        if not (0 <= self.rate_limit_per_s < float("inf") and 0 <= self.key_ttl_s < float("inf")):
            raise BadKnob("rate_limit_per_s and key_ttl_s are finite and not negative")
