"""One budget of calls at a vendor for all who make them while a step is moved: legacy's are counted, ours wait."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from outbox.connection import PsycopgConnection
from outbox.consumer import BudgetRule, RetryBudget
from outbox.event import Event
from strangler.step.intents import Call, Intent

REMEMBERED_S = 2.0
IDS_OF_TIME = 7  # the version of UUID
LEAST_CREDITS = 2  # that half of a memory holds, so that a vendor of one call a minute gets it


def rule_of(calls_per_s: float) -> BudgetRule:
    """An account that earns by time alone; taken from by a tenth of a second's calls, so that no instance hoards."""
    remembered_s = max(REMEMBERED_S, 2 * LEAST_CREDITS / calls_per_s)
    return BudgetRule(ratio=0.0, floor_per_s=calls_per_s, ttl_s=remembered_s, lease=max(1, int(calls_per_s / 10)))


class VendorBudget:
    """The calls a second that each vendor may get, from this step and from legacy together. Safe from every thread.

    The account is the context's, in its database: all instances share it. Legacy is never held back: what it calls is
    taken from the account, below zero too, and the new side gets what is left. In any `t` seconds a vendor gets at most
    `calls_per_s` x (t + 2), as long as legacy alone does not call more. Legacy's calls are known by its events: one
    that is older than the memory, as when a consumer catches up, takes nothing from the calls of now.

    `in_modes`: the most that a vendor gets while the mode of that name is the one that `mode` names: an account of its
    own, beside the usual one.
    """

    def __init__(
        self,
        calls_per_s: Mapping[str, float],
        clock: Callable[[], float] = time.time,
        *,
        in_modes: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
        mode: Callable[[], str] = str,
    ) -> None:
        self._clock, self._mode = clock, mode
        self._rates = {"": dict(calls_per_s), **{name: dict(rates) for name, rates in in_modes.items()}}
        self._accounts = {
            (name, vendor): RetryBudget(f"calls:{vendor}@{name}" if name else f"calls:{vendor}", rule_of(rate))
            for name, rates in self._rates.items()
            for vendor, rate in rates.items()
        }
        self._lock = threading.Lock()
        self._elsewhere: Counter[str] = Counter()  # legacy's calls that no pace has heard of yet
        self._dry: set[str] = set()

    @property
    def calls_per_s(self) -> Mapping[str, float]:
        """The least that each vendor is held to now; those without a limit are not among them."""
        usual, meanwhile = self._rates[""], self._rates.get(self._mode(), {})
        return {vendor: min(_both(vendor, usual, meanwhile)) for vendor in {**usual, **meanwhile}}

    def made_by_legacy(self, acted: Iterable[tuple[Event, Iterable[Intent]]]) -> None:
        """Events that legacy acts on, and what the step would have done: its calls are legacy's."""
        now = self._clock()
        for event, intents in acted:
            # An id of ours begins with the milliseconds at which it was made; an event of another id counts as new.
            age_s = now - (event.id.int >> 80) / 1000 if event.id.version == IDS_OF_TIME else 0.0
            for one in intents:
                if isinstance(one, Call) and age_s < self._remembered_s(one.vendor):
                    self._made(one.vendor)

    def heard(self, vendor: str) -> int:
        """Legacy's calls since the last question: for the pace that the vendor's answers teach."""
        with self._lock:
            return self._elsewhere.pop(vendor, 0)

    def granted(self, connection: PsycopgConnection, vendor: str, wanted: int) -> int:
        """How many of them may be made now; `unused` what is not. Commits. All, where nothing is declared."""
        accounts = self._accounts_of(vendor)
        if not accounts:
            return wanted
        granted = 0
        while granted < wanted and _reserved(connection, accounts):
            granted += 1
        (self._dry.add if granted < wanted else self._dry.discard)(vendor)
        return granted

    def unused(self, vendor: str, calls: int) -> None:
        """So many were granted and not made."""
        for account in self._accounts_of(vendor) if calls else ():
            account.give_back(calls)

    def deposit(self, connection: PsycopgConnection) -> None:
        """Bring legacy's calls to the accounts. Commits."""
        for account in self._accounts.values():
            account.deposit(connection)

    def rest_s(self, most_s: float) -> float:
        """Seconds until a vendor whose account was empty may have a call again, `most_s` at most."""
        rates = self.calls_per_s
        return min([most_s, *(1 / rates[vendor] for vendor in self._dry if vendor in rates)])

    def _made(self, vendor: str) -> None:
        with self._lock:
            self._elsewhere[vendor] += 1
        for account in self._accounts_of(vendor):
            account.failed(1)

    def _accounts_of(self, vendor: str) -> Sequence[RetryBudget]:
        """The usual one, and that of the mode that holds."""
        names = dict.fromkeys(("", self._mode()))
        return [self._accounts[name, vendor] for name in names if (name, vendor) in self._accounts]

    def _remembered_s(self, vendor: str) -> float:
        rate = self.calls_per_s.get(vendor)
        return REMEMBERED_S if rate is None else rule_of(rate).ttl_s


def _both(vendor: str, *rates: Mapping[str, float]) -> Sequence[float]:
    return [each[vendor] for each in rates if vendor in each]


def _reserved(connection: PsycopgConnection, accounts: Sequence[RetryBudget]) -> bool:
    """One call of each, or of none."""
    for number, account in enumerate(accounts):
        if not account.reserve(connection, 1):
            for before in accounts[:number]:
                before.give_back(1)
            return False
    return True
