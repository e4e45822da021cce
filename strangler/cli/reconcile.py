"""`strangler reconcile`: judge both sides below the frontier; findings with evidence, plain sentences."""

from __future__ import annotations

import argparse
import json
import time

from outbox import flags
from outbox.metrics import Counters
from outbox.written import destination, write_whole
from strangler.cli.common import Invocation
from strangler.reconcile.report_metrics import RECONCILIATION, samples_of
from strangler.reconcile.run import reconcile

WAITS = "seconds for each wait: the frontier, open transactions, the second frontier (default 10)"
EPILOG = (
    "exit: 0 nothing is wrong: match, acted, failed at legacy, or late; 1 findings; 2 usage; 3 something could not be "
    "judged, nothing was there to look at, or a dependency is down"
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("reconcile", help="compare both sides and say what is not right", epilog=EPILOG)
    parser.add_argument("--step", action="append", metavar="STEP", help="only this step; may be given again")
    parser.add_argument("--all", action="store_true", help="audit everything again, also what was judged before")
    parser.add_argument("--timeout-s", type=flags.seconds(), default=10.0, metavar="S", help=WAITS)
    parser.add_argument(
        "--report", type=destination, metavar="FILE", help="write the whole report as JSON to this file"
    )
    parser.add_argument(
        "--metrics",
        type=destination,
        metavar="FILE",
        help="write what was judged and when, for the node exporter",
    )
    parser.set_defaults(run=run)


def run(invocation: Invocation) -> int:
    arguments = invocation.args
    plan = invocation.plan()
    report = reconcile(
        plan, invocation.environ, steps=arguments.step, everything=arguments.all, timeout_s=arguments.timeout_s
    )
    document = report.to_json()
    invocation.emit(document, report.lines(plan.subject))
    if arguments.report is not None:
        write_whole(arguments.report, f"{json.dumps(document, indent=2, default=str)}\n".encode())
    if arguments.metrics is not None:
        counters = Counters({}, RECONCILIATION)
        counters.source(lambda: samples_of(report, time.time()))
        write_whole(arguments.metrics, counters.page().encode())
    if report.exit_code == 3:
        invocation.talk("not everything could be judged: what was not reached is UNKNOWN, and no proof of anything")
    return report.exit_code
