"""Reads of a facade whose stages a test moves: the two applications behind it are played, what was counted is read."""

from __future__ import annotations

from dataclasses import dataclass

from outbox.connection import PsycopgConnection
from strangler.errors import Refused
from strangler.local.process import Running
from strangler.moves import Moved, advance, rollback
from strangler.reads.account import ReadAccount
from strangler.reads.table import evidence_of, read_stages_of_reads
from strangler.stages import Stage
from tests.integration.facade.client import Answer, ask
from tests.support.facade_reads_plan import plan
from tests.support.http_stub import HttpStub, answer
from tests.support.waiting import wait_until

JSON = "Content-Type: application/json"


def says(text: str) -> bytes:
    return answer(200, text.encode(), JSON)


@dataclass(frozen=True, slots=True)
class ReadsRig:
    """`legacy` and `candidate` are behind the facade; stages are moved by the verbs' functions."""

    facade: Running
    legacy: HttpStub
    candidate: HttpStub
    connection: PsycopgConnection

    def go(self, read: str, to: Stage, ramp_bp: int | None = None) -> Moved | Refused:
        return advance(self.connection, plan, read, to=to, ramp_bp=ramp_bp, actor="ann", reason="a test", anyway=True)

    def back(self, read: str) -> None:
        """To legacy, from wherever the last test has left it."""
        if read_stages_of_reads(self.connection)[read].row.stage is not Stage.LEGACY:
            rollback(self.connection, plan, read, to=Stage.LEGACY, actor="ann", reason="the next test")

    def account(self, read: str) -> ReadAccount:
        declared = next(one for one in plan.reads if one.name == read)
        return evidence_of(self.connection, declared).account

    def get(self, target: str, method: str = "GET", **fields: str) -> Answer:
        return ask(self.facade, method, target, fields={name.replace("_", "-"): one for name, one in fields.items()})

    def shadow(self, read: str, target: str) -> ReadAccount:
        """At shadow, and a worker has noticed; what had been counted when it had."""
        self.go(read, Stage.SHADOW)
        self.noticed(read, target)
        return self.settled(read)

    def noticed(self, read: str, target: str, **fields: str) -> None:
        """The worker acts by the last move: it counts under the epoch that this began."""
        wait_until(
            lambda: self.get(target, **fields) and (now := self.account(read)) and (now.eligible or now.answered)
        )

    def settled(self, read: str, eligible: int = 1) -> ReadAccount:
        """When at least so many were eligible, and none of them is held any more."""
        wait_until(lambda: (now := self.account(read)).eligible >= eligible and now.held == 0)
        return self.account(read)
