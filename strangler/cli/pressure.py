"""`strangler pressure`: what waits in each context, how long, when it drains, and who causes it."""

from __future__ import annotations

import argparse
import math

from strangler.cli.common import Invocation
from strangler.contexts import Context
from strangler.errors import BadInput
from strangler.pressure.read import read_pressure

EPILOG = (
    "exit: 0 all promises hold, 1 one is broken, something stands still or a topic soon drops what waits, "
    "2 usage, 3 a dependency is down"
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("pressure", help="what waits in each context, and when it drains", epilog=EPILOG)
    parser.add_argument(
        "--window-s", type=float, default=1.0, metavar="S", help="seconds between two looks (default 1)"
    )
    parser.add_argument("--watch", action="store_true", help="look again and again, until Ctrl-C")
    parser.set_defaults(run=run)


def run(invocation: Invocation) -> int:
    """Exit 1 when a promise is broken, a partition stands still, or events are about to be lost."""
    window_s = invocation.args.window_s
    if not (math.isfinite(window_s) and 0.05 <= window_s <= 600):
        raise BadInput(f"--window-s {window_s} is no window; give 0.05 to 600")
    plan = invocation.plan()
    while True:
        found = read_pressure(plan, invocation.environ, window_s=window_s, promise_of=promised_s)
        data = [each.to_json() for each in found]
        width = max(len(each.context) for each in found) if found else 0
        invocation.emit(data, [f"{each.context:<{width}}  {each.sentence}" for each in found])
        if not invocation.args.watch:
            broken = [
                each
                for each in found
                if each.standing or each.losing or (each.breach_s is not None and each.breach_s < 0)
            ]
            return 1 if broken else 0


def promised_s(context: Context) -> float | None:
    """The deadline that the context's policy declares."""
    return None if context.policy is None else context.policy.deadline_s
