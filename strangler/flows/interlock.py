"""The shedding interlock: a flow may lose events only while its reconciliation is green and its rebuild exists.

What is shed is gone from the flow's state. Only a judge that sees it and a rebuild that makes it up allow that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import LiteralString

from outbox.connection import PsycopgConnection
from outbox.policy import Policy
from strangler.errors import Refused
from strangler.facts import FINDINGS

FRESH_S = 3_600.0
NOTHING = "its reconciliation has compared nothing yet"

# The database's clock on both ends: a skewed one here must not make an old run fresh.
LAST_RUN: LiteralString = """
SELECT extract(epoch FROM clock_timestamp() - ended_at)::float8,
       coalesce((counts -> 'steps' -> %(step)s ->> 'unknown')::bigint, 0)
FROM strangler.reconciliation_run WHERE jsonb_exists(counts -> 'steps', %(step)s) ORDER BY ended_at DESC LIMIT 1"""

STANDING: LiteralString = """
SELECT count(*) FILTER (WHERE class = ANY(%(findings)s)), count(*) FILTER (WHERE class = 'match'),
       count(*) FILTER (WHERE class = 'acted')
FROM strangler.verdict WHERE step = %(step)s"""


@dataclass(frozen=True, slots=True)
class ReconciledEvidence:
    """What reconciliation has said of a step. `age_s` of the last run that judged it; None: never."""

    age_s: float | None
    unknown: int
    findings: int
    matches: int
    acted: int = 0


@dataclass(frozen=True, slots=True)
class Permitted:
    """The flow may shed, by these clauses."""

    clauses: tuple[str, ...]


def read_evidence(connection: PsycopgConnection, step: str) -> ReconciledEvidence:
    """From the main database, where verdicts and runs are stored."""
    run = connection.execute(LAST_RUN, {"step": step}).fetchone()
    findings = sorted(verdict.value for verdict in FINDINGS)
    standing = connection.execute(STANDING, {"step": step, "findings": findings}).fetchone() or (0, 0, 0)
    return ReconciledEvidence(None if run is None else run[0], 0 if run is None else run[1], *standing)


def may_shed(policy: Policy, evidence: ReconciledEvidence | None, *, rebuildable: bool) -> Permitted | Refused:
    """Decide from facts. `evidence` is None where nobody could be asked: then the answer is no."""
    clauses = policy.shedding()
    if not clauses:
        return Refused(f"its policy sheds nothing: {policy.clause('loss')}", "let the log keep what waits")
    problem = _missing(policy, rebuildable=rebuildable) or _not_green(policy, evidence)
    return problem or Permitted(clauses)


def ask(connection: PsycopgConnection, policy: Policy) -> Permitted | Refused:
    """The interlock's state now, by the main database. Keep the answer for seconds, not for hours."""
    return may_shed(policy, read_evidence(connection, policy.flow), rebuildable=rebuild_exists(policy.rebuild))


def rebuild_exists(command: Sequence[str]) -> bool:
    """A command is declared, and the module that it runs is there."""
    try:
        return bool(command) and find_spec(command[0]) is not None
    except (ImportError, ValueError):  # its package is not there, or it is no name of a module
        return False


def _missing(policy: Policy, *, rebuildable: bool) -> Refused | None:
    if not policy.rebuild:
        return Refused("no rebuild is declared, so what is shed could not be made up", "name its command in `rebuild`")
    if not rebuildable:
        return Refused(f"its rebuild {' '.join(policy.rebuild)!r} does not exist", "build it, or correct `rebuild`")
    if not policy.replayable:
        return Refused("it cannot be replayed, so what is shed could not be made up", "make its handler repeatable")
    return None


def _not_green(policy: Policy, evidence: ReconciledEvidence | None) -> Refused | None:
    again = f"run: strangler reconcile --step {policy.flow}"
    if evidence is None:
        return Refused("its reconciliation could not be asked", "name the database by --dsn or STRANGLER_DSN")
    if evidence.age_s is None or not evidence.matches:
        return _unconfirmed(policy, evidence) if evidence.acted else Refused(NOTHING, again)
    if evidence.findings:
        return Refused(
            f"its reconciliation has {evidence.findings} finding(s)",
            f"repair them, then: strangler reconcile --all --step {policy.flow}",
        )
    if evidence.unknown:
        return Refused(f"its last reconciliation could not judge {evidence.unknown} effect(s)", again)
    if evidence.age_s > FRESH_S:
        return Refused(f"its last reconciliation is {evidence.age_s:.0f} s old, more than {FRESH_S:.0f} s", again)
    return None


def _unconfirmed(policy: Policy, evidence: ReconciledEvidence) -> Refused:
    return Refused(
        f"its reconciliation knows {evidence.acted} effect(s) by its own account alone, and nobody confirms one",
        f"give step {policy.flow} a Check(expected=...), or its vendor a ledger",
    )
