"""A service's vendors, reached: each operation by its own way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from outbox.policy import Policy
from strangler.errors import BadInput
from strangler.service.http_vendor import HttpVendor
from strangler.service.smtp_vendor import SmtpVendor
from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind, Vendor

# A vendor with one operation, with several by name, or one of the team's own making.
Declared = HttpVendor | SmtpVendor | Mapping[str, HttpVendor] | Vendor


def limits_of(vendors: Mapping[str, Declared]) -> dict[str, float]:
    """The calls a second that each vendor may get in all, where that is declared; of several operations the least."""
    found = {name: _limit_of(vendor) for name, vendor in vendors.items()}
    return {name: limit for name, limit in found.items() if limit is not None}


def _limit_of(vendor: Declared) -> float | None:
    if isinstance(vendor, Mapping):
        return min((limit for one in vendor.values() if (limit := _limit_of(one)) is not None), default=None)
    limit = getattr(vendor, "calls_per_s", None)  # of the team's own making it may be anything
    if limit is not None and not (type(limit) in (int, float) and 0 < limit < math.inf):
        raise BadInput(f"{type(vendor).__name__}.calls_per_s is {limit!r}; give a number above 0, or leave it out")
    return limit


def limits_in_modes(policy: Policy, vendors: Iterable[str]) -> dict[str, dict[str, float]]:
    """By mode, the most that each vendor gets while it holds."""
    names = list(vendors)
    return {one.mode: dict.fromkeys(names, one.calls_per_s) for one in policy.modes if one.calls_per_s is not None}


def reached(vendors: Mapping[str, Declared], environ: Mapping[str, str], caller: str) -> dict[str, Vendor]:
    """Clients for all of them; `BadInput` where the environment lacks an address. `caller`: whose vendors they are."""
    return {name: _reached(name, vendor, environ, caller) for name, vendor in vendors.items()}


def _reached(name: str, vendor: Declared, environ: Mapping[str, str], caller: str) -> Vendor:
    match vendor:
        case HttpVendor() | SmtpVendor():
            return vendor.at(environ, caller)
        case Mapping():
            return Operations(name, {operation: one.at(environ, caller) for operation, one in vendor.items()})
        case _:
            return vendor


@dataclass(frozen=True, slots=True)
class Operations:
    """A `Vendor` that does several things; one that it lacks is refused without asking."""

    name: str
    of: Mapping[str, Vendor]

    @property
    def timeout_s(self) -> float:
        return max(one.timeout_s for one in self.of.values())

    @property
    def key_lifetime_s(self) -> float:
        return min(one.key_lifetime_s for one in self.of.values())

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:
        found = self.of.get(operation)
        return self._lacks(operation) if found is None else found.send(key, operation, body)

    def look_up(self, key: str, operation: str) -> Answer:
        found = self.of.get(operation)
        return self._lacks(operation) if found is None else found.look_up(key, operation)

    def _lacks(self, operation: str) -> Answer:
        return Answer(AnswerKind.REFUSED, {"reason": f"{self.name} has no operation {operation!r}"})
