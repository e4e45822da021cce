"""`strangler admission`: what the plan's admission would have done with requests that were logged."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from outbox import flags
from strangler.admission.access_log import Logged, NotRead, read_log
from strangler.admission.arrivals import Arrived, arrivals_of
from strangler.admission.declared import FoundSlots
from strangler.admission.dry_run import Assumed, ClassFound, dry_run
from strangler.cli.common import Invocation, columns
from strangler.cli.stages import basis_points
from strangler.errors import BadInput
from strangler.facade.work_classes import WorkClasses
from strangler.step.intents import Json

EPILOG = "exit: 0 fine, 2 usage, also a log of which nothing can be read. Needs no database and no broker"
MOST_REQUESTS = 2_000_000
SHOWN = 3  # lines that could not be read


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("admission", help="who is let in while there is not room for all")
    verbs = parser.add_subparsers(title="verbs", dest="admission_verb", required=True, metavar="VERB")
    dry = verbs.add_parser(
        "dry-run", help="what the plan's admission would have done with logged requests", epilog=EPILOG
    )
    dry.add_argument("--log", metavar="FILE", required=True, help="an access log: common, combined, JSON; - is stdin")
    dry.add_argument("--slots", type=flags.whole(1, 100_000), help="in place of the plan's")
    dry.add_argument("--service-s", type=flags.seconds(0.0001), help="mean service time, in place of the log's")
    dry.add_argument("--obedient", type=basis_points, default=8_000, help="clients that heed Retry-After (80%%)")
    dry.add_argument("--retries", type=flags.whole(0, 20), default=3, help="further attempts of each (default 3)")
    dry.add_argument("--seed", type=flags.seed, default=1, help="of the clients' behaviour (default 1)")
    dry.set_defaults(run=run_dry, own_stack=True)


@dataclass(slots=True)
class _Log:
    """What was read of one. `first`: of the lines that could not be."""

    name: str
    requests: list[Logged] = field(default_factory=list)
    not_read: int = 0
    first: list[NotRead] = field(default_factory=list)


def run_dry(invocation: Invocation) -> int:
    """A class that is refused is no finding: that is what was asked."""
    args = invocation.args
    plan = invocation.plan(services=False)
    if plan.admission is None:
        raise BadInput(f"plan {plan.name!r} has no admission; declare it: docs/reference/admission.md#in-the-plan")
    with _opened(args.log) as lines:
        log = _read(lines, "stdin" if args.log == "-" else args.log)
    rng = random.Random(args.seed)  # noqa: S311 - it plays clients
    arrived = arrivals_of(log.requests, WorkClasses(plan.admission).rank, args.service_s, rng)
    slots, assumed = args.slots or _known(plan.admission.slots), Assumed(args.obedient / 10_000, args.retries)
    found = dry_run(plan.admission.classes, slots, arrived.arrivals, assumed, rng)
    for one in log.first:
        invocation.talk(f"strangler: {log.name}, line {one.line} is left out: {one.why}")
    unseen = [one.target for one in plan.admission.belongs if one.caller]
    report = _Report(log, arrived, found, slots, assumed, unseen)
    invocation.emit(report.to_json(), report.lines())
    return 0


def _known(slots: int | FoundSlots) -> int:
    if isinstance(slots, FoundSlots):
        raise BadInput(
            f"the plan's admission finds its slots, from {slots.start} to {slots.most}, and a log does not tell what "
            "more of them would have brought; give --slots, such as facade_admission_slots showed at a peak"
        )
    return slots


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    if name == "-":
        yield sys.stdin
        return
    try:
        with Path(name).open(encoding="utf-8", errors="replace") as file:
            yield file
    except OSError as error:
        raise BadInput(
            f"--log {name} cannot be read: {error.strerror}; give a readable file, or - for stdin"
        ) from error


def _read(lines: TextIO, name: str) -> _Log:
    log = _Log(name)
    for one in read_log(lines):
        if isinstance(one, NotRead):
            log.not_read += 1
            log.first += [one] if len(log.first) < SHOWN else []
        else:
            log.requests.append(one)
        if len(log.requests) > MOST_REQUESTS:
            raise BadInput(f"{name} has more than {MOST_REQUESTS:,} requests; give its busiest hours")
    if not log.requests:
        why = f"line {log.first[0].line}: {log.first[0].why}" if log.first else "it is empty"
        raise BadInput(f"{name} has no request that can be read: {why}; give an access log: common, combined or JSON")
    return log


@dataclass(frozen=True, slots=True)
class _Report:
    """What is said of a run."""

    log: _Log
    arrived: Arrived
    found: Sequence[ClassFound]
    slots: int
    assumed: Assumed
    unseen: Sequence[str]  # targets of rules that look at what a request carries: no log has it

    def to_json(self) -> Json:
        first = [[one.line, one.why] for one in self.log.first]
        return {
            "requests": len(self.arrived.arrivals),
            "repeats": self.arrived.repeats,
            "not_read": {"lines": self.log.not_read, "first": first},
            "from": _moment(self.arrived.arrivals[0].at),
            "to": _moment(self.arrived.arrivals[-1].at),
            "most_at_once": self.arrived.most_at_once,
            "slots": self.slots,
            "callers_not_seen": list(self.unseen),
            "assumed": {"obedient": self.assumed.obedient, "retries": self.assumed.retries},
            "classes": [
                {
                    "class": one.name,
                    "requests": one.requests,
                    "refused": one.refused.total(),
                    "by": {clause.value: count for clause, count in sorted(one.refused.items())},
                    "promised": one.promised,
                    "lost": one.lost,
                }
                for one in self.found
            ],
        }

    def lines(self) -> Iterator[str]:
        arrivals, first = self.arrived.arrivals, self.log.first
        when = f"{_moment(arrivals[0].at)} to {_moment(arrivals[-1].at)}"
        yield f"{len(arrivals)} first attempts of {self.log.name}, {when}, with {self.slots} slots"
        if first:
            yield f"{self.log.not_read} line(s) could not be read, the first is line {first[0].line}"
        if self.arrived.repeats:
            yield f"{self.arrived.repeats} further attempts with a key are left out: returns are reckoned instead"
        if self.unseen:
            yield f"a log does not hold what requests carry: rules with a caller lower nobody, {', '.join(self.unseen)}"
        if self.arrived.most_at_once is not None:
            yield f"as it was, {self.arrived.most_at_once} were in progress at once"
        yield ""
        head = ("class", "requests", "refused at first", "lost for good", "by")
        yield from columns([head, *(_row(one) for one in self.found)])
        yield ""
        yield f"assumed: {self.assumed.obedient:.0%} of the refused heed Retry-After, the others come back after 0.1 s,"
        yield f"doubled each time; {self.assumed.retries} further attempt(s) each. --obedient and --retries change that"


def _row(one: ClassFound) -> tuple[str, ...]:
    def share(count: int) -> str:
        return f"{count} ({count / one.requests:.1%})" if one.requests else "-"

    by = ", ".join(f"{clause.value} {count}" for clause, count in sorted(one.refused.items()))
    return one.name, str(one.requests), share(one.refused.total()), share(one.lost), by or "-"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
