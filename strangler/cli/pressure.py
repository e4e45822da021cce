"""`strangler pressure`: what waits in each context, how long, when it drains, and who causes it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing

import psycopg

from outbox import flags
from outbox.errors import DependencyDown as KafkaDown
from strangler.cli.common import Invocation
from strangler.contexts import Context
from strangler.errors import DependencyDown
from strangler.pressure.figures import Pressure
from strangler.pressure.read import PressureReader

EPILOG = (
    "exit: 0 all promises hold, 1 one is broken, something stands still or a topic soon drops what waits, "
    "2 usage, 3 a dependency is down"
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("pressure", help="what waits in each context, and when it drains", epilog=EPILOG)
    parser.add_argument(
        "--window-s",
        type=flags.seconds(0.05, 600),
        default=1.0,
        metavar="S",
        help="seconds between two looks (default 1)",
    )
    parser.add_argument("--watch", action="store_true", help="look again and again, until Ctrl-C")
    parser.set_defaults(run=run)


def run(invocation: Invocation) -> int:
    """Exit 1 when a promise is broken, a partition stands still, or events are about to be lost."""
    window_s = invocation.args.window_s
    plan = invocation.plan()
    if not invocation.args.watch:
        with closing(PressureReader(plan, invocation.environ, promised_s)) as reader:
            found = reader.read(window_s)
        _show(invocation, found)
        return 1 if any(_is_bad(each) for each in found) else 0
    while True:
        try:
            with closing(PressureReader(plan, invocation.environ, promised_s)) as reader:
                while True:
                    _show(invocation, reader.read(window_s))
        except (DependencyDown, KafkaDown, psycopg.OperationalError) as error:
            invocation.talk(f"strangler: {error}")
            time.sleep(window_s)


def _is_bad(found: Pressure) -> bool:
    return found.losing or (found.breach_s or 0) < 0 or any(one.still for one in found.standing)


def _show(invocation: Invocation, found: Sequence[Pressure]) -> None:
    width = max((len(each.context) for each in found), default=0)
    invocation.emit([each.to_json() for each in found], [f"{each.context:<{width}}  {each.sentence}" for each in found])
    sys.stdout.flush()


def promised_s(context: Context) -> float | None:
    """The deadline that the context's policy declares."""
    return None if context.policy is None else context.policy.deadline_s
