"""`strangler check`: a plan, its services and its seams, without any database."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from strangler.checking.application import Application, load_application
from strangler.checking.findings import Examined, examine, vendors_lacking
from strangler.checking.observed import HeldEvent, Holding
from strangler.checking.recorded import Recorded, read_recorded
from strangler.cli.common import Invocation
from strangler.errors import BadInput

EPILOG = (
    "exit: 0 nothing is wrong, 1 findings, 2 usage. Needs no database and no broker. Imports the plan, its services, "
    "and of the application what speaks of Strangled: docs/reference/check.md"
)
LARGEST_EVENT = 16 * 2**20


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("check", help="all that is wrong with a plan, without a database", epilog=EPILOG)
    parser.add_argument("--event", metavar="FILE", help="events to hold both sides against each other on; - is stdin")
    parser.add_argument("--step", action="append", metavar="STEP", help="hold only this one; may be given again")
    parser.add_argument("--app", action="append", metavar="MODULE", default=[], help="a module that has the seams")
    parser.set_defaults(run=run, own_stack=True)


def run(invocation: Invocation) -> int:
    """Exit 1 for findings; what could not be looked at is said, and is none."""
    arguments, path = invocation.args, invocation.settings.plan
    recorded = _events(arguments.event) if arguments.event else []
    examined = examine(path)
    application, held = Application(), list[HeldEvent]()
    if examined.plan is not None:
        for name in arguments.step or ():
            examined.plan.step(name)
        folders = dict.fromkeys((Path.cwd(), path.resolve().parent))
        application = load_application(folders, path, arguments.app)
        holding = Holding(examined, examined.plan, application, recorded)
        holding.run(arguments.step or ())
        _untaken(examined, recorded)
        held = holding.held
        told = {process.url: "http://127.0.0.1:1" for process in examined.plan.processes if process.url}
        examined.not_looked += vendors_lacking(examined.services, {**invocation.environ, **told})
    data = {
        "ok": not examined.findings,
        "plan": str(path),
        "findings": [asdict(one) for one in examined.findings],
        "held": [asdict(one) for one in held],
        "not_looked": [asdict(one) for one in examined.not_looked],
    }
    invocation.emit(data, _lines(examined, held, str(path)))
    return 1 if examined.findings else 0


def _untaken(examined: Examined, recorded: Sequence[Recorded]) -> None:
    taken = {kind for service in examined.services.values() for kind in service.on}
    for kind in sorted({one.type for one in recorded} - taken):
        known = ", ".join(sorted(taken)) or "none"
        problem = f"a recorded event is of type {kind!r}, on which no service acts; they act on {known}"
        examined.find("--event", [f"{problem}: name it in a service's `on`, or leave it out"])


def _events(name: str) -> list[Recorded]:
    source = "stdin" if name == "-" else name
    try:
        if name == "-":
            text = sys.stdin.read(LARGEST_EVENT + 1)
        else:
            with Path(name).open(encoding="utf-8") as file:
                text = file.read(LARGEST_EVENT + 1)
    except (OSError, ValueError) as error:
        raise BadInput(f"--event {name} cannot be read: {error}; give a readable file of UTF-8") from error
    if len(text) > LARGEST_EVENT:
        raise BadInput(f"{source} has more than {LARGEST_EVENT // 2**20} MiB; some events of each type will do")
    return read_recorded(text, source)


def _lines(examined: Examined, held: Sequence[HeldEvent], path: str) -> Iterator[str]:
    for finding in examined.findings:
        yield f"FINDING  {finding.about}: {finding.problem}"
        yield f"         see {finding.page}"
    for one in held:
        targets = ", ".join(str(intent["target"]) for intent in one.intents)
        yield f"ok       {one.step} on a {one.source} {one.type}: observe and decide both say {targets}"
    for passed in examined.not_looked:
        yield f"not looked at: {passed.about}: {passed.why}"
    steps = len(examined.plan.steps) if examined.plan is not None else 0
    wrong = len(examined.findings)
    yield f"{path}: {steps} step(s), {len(examined.services)} service(s), {wrong or 'no'} finding(s)"
