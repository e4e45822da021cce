"""How a step of a plan is judged, where its service does not say all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from outbox.terms import check_terms
from strangler.errors import BadPlan
from strangler.facts import FactReader, LedgerReader
from strangler.step.intents import Json
from strangler.witness import Expected

Identity = Callable[[Mapping[str, Json]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """How a step is judged, beyond what its service's declaration says by itself; empty, it adds nothing.

    Without a word of the plan the judge reads the claims and planned calls of the new side, the `Rows` that its service
    keeps, the ledgers that its `HttpVendor`s declare, and legacy's own records. Where only one of them speaks, the
    verdict is ACTED, not MATCH.
    `expected` is a witness, an `Sql` or a function: what should have been done, read from the legacy database and
    sharing no code with either side. It speaks of every subject, so what it does not name is unwanted.
    `identity` names an effect within its subject from its fields (two mails of one subject differ in it); by default
    the version and the place within it do. `stateful`: one row per subject, replaced by later versions; `Rows` say so.
    `actual` reads rows that the service's own code writes, instead of `Rows`. `ledger` reads what vendors were really
    asked, instead of the declared ones.
    With a ledger, facts of `$kind` write are rows, held against rows, and all others are calls, held against it.
    `only_asks`: the vendor's effect is an answer, so that legacy may refuse and forget the subject that it asked for.
    """

    expected: Expected | None = None
    identity: Identity | None = None
    stateful: bool | None = None
    actual: FactReader | None = None
    ledger: LedgerReader | None = None
    only_asks: bool = False

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)
