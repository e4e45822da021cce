"""`strangler reads`: what facades have counted of the reads that another application is to answer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict

from strangler.cli.common import Invocation
from strangler.errors import BadInput
from strangler.plan import Plan
from strangler.reads.declared import ReadRoute
from strangler.reads.read_evidence import ReadEvidence
from strangler.reads.table import ReadStage, evidence_of, read_stages_of_reads, stage_of_read
from strangler.stage_evidence import counted
from strangler.stages import spoken
from strangler.step.intents import Json


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    what = "what became of the reads that another application is to answer, since each one's last move"
    parser = subparsers.add_parser("reads", help=what, description=f"{what}. Exit 1 where answers differ.")
    parser.add_argument("read", nargs="?", metavar="READ", help="one read of the plan (default: all)")
    parser.set_defaults(run=run)


def run(invocation: Invocation) -> int:
    """Exit 1 where answers differ in what the plan does not ignore."""
    plan = invocation.plan(services=False)
    reads = _named(plan, invocation.args.read)
    with invocation.connect() as connection, connection.transaction():
        stages = read_stages_of_reads(connection)
        found = [evidence_of(connection, read) for read in reads]
    of = {one.declared.name: stage_of_read(stages, one.declared.name) for one in found}
    data = [_data(one, of[one.declared.name]) for one in found]
    lines = [line for one in found for line in _lines(one, of[one.declared.name])]
    invocation.emit({"reads": data}, lines or ["the plan has no reads: docs/reference/reads.md"])
    return 1 if any(one.unexplained for one in found) else 0


def _named(plan: Plan, name: str | None) -> list[ReadRoute]:
    found = [read for read in plan.reads if name in (None, read.name)]
    if name is not None and not found:
        known = ", ".join(read.name for read in plan.reads) or "none"
        raise BadInput(f"no read {name!r} in plan {plan.name!r}; known reads: {known}")
    return found


def _data(evidence: ReadEvidence, stage: ReadStage) -> dict[str, Json]:
    account = evidence.account
    return {
        **asdict(account),
        "noise": list(account.noise),
        "stage": stage.row.stage.value,
        "ramp_bp": stage.row.ramp_bp,
        "compared": account.compared,
        "held": account.held,
        "unexplained": dict(evidence.unexplained),
    }


def _lines(evidence: ReadEvidence, stage: ReadStage) -> list[str]:
    account, read = evidence.account, evidence.declared
    ignored = {place: times for place, times in account.places.items() if read.ignores(place)}
    held = f"{sum(account.dropped.values())} dropped + {sum(account.failed.values())} failed + {account.held} held"
    instead, refused = sum(account.fell_back.values()), sum(account.refused.values())
    lines = [
        f"{read.name}: {spoken(stage.row.stage, stage.row.ramp_bp)} since epoch {account.epoch}, {read.target}",
        f"  {account.eligible} eligible = {account.same} same + {account.different} different + {held}",
        f"  clients: {account.answered} answered by {read.url}, {instead} by legacy in its place, {refused} refused",
    ]
    named: tuple[tuple[str, Mapping[str, int]], ...] = (
        ("dropped", account.dropped),
        ("failed", account.failed),
        ("by legacy in its place", account.fell_back),
        ("refused", account.refused),
        ("DIFFER at", evidence.unexplained),
        ("differ, ignored by the plan by now", ignored),
    )
    lines += [f"  {name}: {counted(what)}" for name, what in named if what]
    lines += [f"  {account.not_sticky} do not say whose they are: legacy's"] if account.not_sticky else []
    lines += [f"  noise, not compared: {', '.join(account.noise)}"] if account.noise else []
    return lines
