"""`strangler admit bulk -- COMMAND`: a batch job or a partner's file under the plan's admission."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial

from strangler.admission.bulk import Bulk
from strangler.bulk.admit import Admit, BulkEnd, ToldToEnd
from strangler.bulk.pressure import Transactions, held_back, looked_at
from strangler.cli.common import Invocation
from strangler.contexts import declared
from strangler.errors import BadInput, BadPlan, RefusedError
from strangler.plan import Plan
from strangler.service.declaration import Service
from strangler.service.settings import RunSettings

EPILOG = (
    "exit: the command's own (128 + N after signal N); 1 it was not begun, 2 usage, 3 a dependency is down. With "
    "--json the last line of stdout says how it went."
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    what = "run what does not come over HTTP under the plan's admission"
    verbs = subparsers.add_parser("admit", help=what, description=what).add_subparsers(
        required=True, metavar="VERB", dest="admit_verb"
    )
    bulk = verbs.add_parser(
        "bulk",
        help="a command that waits, slows down and ends as the plan's `Bulk` says",
        description="Runs COMMAND once no context is behind, slows it while one is, ends it at its bound. It asks "
        "before each unit of its work (strangler.bulk.units); one that does not is stopped and continued.",
        epilog=EPILOG,
    )
    bulk.add_argument("--dry-run", action="store_true", help="say whether it would begin now, run nothing")
    bulk.add_argument("command", nargs="+", metavar="COMMAND", help="behind --, with its arguments")
    bulk.set_defaults(run=run_bulk)


def run_bulk(invocation: Invocation) -> int:
    """The command's own exit code."""
    args, plan = invocation.args, invocation.plan(services=False)
    bulk, settings = _declared(plan), RunSettings.from_environ(invocation.environ)
    say = partial(_say, invocation)
    services = _services(plan, skipped=invocation.talk)
    told = ToldToEnd()
    modes = frozenset(one.name for one in plan.modes if one.holds_bulk)
    with (
        looked_at(services, settings, plan.subject.name, say) as behind,
        held_back(modes, partial(settings.connect, "strangler", autocommit=True), say) as mode,
    ):

        def pressed() -> Mapping[str, float]:
            return {**behind(), **mode()}

        if args.dry_run:
            return _tell(invocation, bulk, pressed())
        heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
        before = {number: signal.signal(number, told) for number in heeded}
        name = f"bulk-{os.getpid()}"
        try:
            with closing(Transactions(partial(settings.connect, "public", autocommit=True), name, say)) as transactions:
                admit = Admit(bulk, pressed, transactions.any, say, told)
                ended = admit.run(args.command, {**os.environ, "PGAPPNAME": name})
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    return _told(invocation, ended, told)


def _declared(plan: Plan) -> Bulk:
    if plan.admission is None or plan.admission.bulk is None:
        raise BadInput(
            f"plan {plan.name!r} says nothing of bulk; give its admission Bulk(longest_wait_s=.., longest_s=..): "
            "docs/reference/bulk.md"
        )
    return plan.admission.bulk


def _services(plan: Plan, skipped: Callable[[str], None]) -> Sequence[Service]:
    """Those of the plan that are installed here; nobody gives way to the others."""
    found = []
    for name, one in plan.runs().items():
        if one is plan.resumer:
            continue
        try:
            service = declared(one)
        except BadPlan as error:
            skipped(f"no way is given to {name}, which is not installed here: {error}")
            continue
        if isinstance(service, Service):
            found.append(service)
    return found


def _say(invocation: Invocation, text: str) -> None:
    invocation.talk(f"admit bulk: {text}")


def _tell(invocation: Invocation, bulk: Bulk, pressure: Mapping[str, float]) -> int:
    waits = ", ".join(f"{name} ({waited_s:.0f} s)" for name, waited_s in sorted(pressure.items()))
    lines = [
        f"would wait {bulk.longest_wait_s:g} s at most: behind are {waits}" if pressure else "would begin now",
        f"under pressure a unit in {bulk.slow_s:g} s",
        f"told to end after {bulk.longest_s:g} s, killed {bulk.grace_s:g} s later",
    ]
    data = {"dry_run": True, "would_begin": not pressure, "why": dict(pressure), "bulk": asdict(bulk)}
    invocation.emit(data, lines)
    return 0


def _told(invocation: Invocation, ended: BulkEnd, told: ToldToEnd) -> int:
    shown = {name: round(value, 1) if isinstance(value, float) else value for name, value in asdict(ended).items()}
    shown["why"] = {name: round(waited_s, 1) for name, waited_s in ended.why.items()}
    if getattr(invocation.args, "json", False):
        invocation.emit({"command": list(invocation.args.command), **shown}, [])
    else:
        _say(invocation, _sentence(ended))
    if ended.exit_code is not None:
        return ended.exit_code
    if told.by is not None:
        return 128 + told.by
    raise RefusedError(f"refused: {ended.ended}; see `strangler pressure`, and start it again when it has gone down")


def _sentence(ended: BulkEnd) -> str:
    parts = [f"ended {ended.ended}" if ended.exit_code is not None else ended.ended, f"waited {ended.waited_s:.1f} s"]
    parts += [f"ran {ended.ran_s:.1f} s"] if ended.exit_code is not None else []
    parts += [f"slowed {ended.slowed_s:.1f} s of it"] if ended.slowed_s else []
    parts += [f"{ended.units} units"] if ended.units else []
    parts += [f"not stopped in a transaction for {ended.in_transaction_s:.1f} s"] if ended.in_transaction_s else []
    parts += [f"for {', '.join(sorted(ended.why))}"] if ended.why else []
    return "; ".join(parts)
