"""`strangler demo`: the whole story in one command, on a throwaway stack, with a report."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from strangler.cli.common import Invocation
from strangler.demo.narrator import Narrator
from strangler.demo.rehearse import rehearse
from strangler.errors import BadInput
from strangler.local.stack import Stack


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("demo", help="strangle the sample chain live, end to end, and reconcile it")
    parser.add_argument("--orders", type=int, default=300, help="orders to replay (default 300)")
    parser.add_argument("--orders-file", type=Path, help="a .csv or .csv.gz with the columns of Online Retail")
    parser.add_argument("--kafka", default=None, help="embedded (default), apache, or host:port of yours")
    parser.add_argument("--report", type=Path, help="write the report as JSON to this file")
    parser.add_argument("--keep", action="store_true", help="keep the folder with data and logs")
    parser.set_defaults(run=run, own_stack=True)


def run(invocation: Invocation) -> int:
    """Exit 0 only if the reconciliation is as expected."""
    arguments = invocation.args
    if arguments.orders < 20:
        raise BadInput(f"--orders {arguments.orders} is too few to walk the stages; give at least 20")
    if arguments.orders_file is not None and not arguments.orders_file.is_file():
        raise BadInput(f"no orders file at {arguments.orders_file}; leave --orders-file out to use the sample's own")
    plan = invocation.plan()
    narrator = Narrator(sys.stderr)
    kafka = arguments.kafka or invocation.environ.get("KAFKA", "embedded")
    narrator.say(f"starting PostgreSQL and Kafka ({kafka}) on loopback")
    folder = tempfile.mkdtemp(prefix="strangler-demo-")
    Path(folder).chmod(0o755)
    with Stack.start(Path(folder), kafka=kafka, say=lambda _: None) as stack:
        report = rehearse(stack, plan, orders=arguments.orders, orders_file=arguments.orders_file, narrator=narrator)
    document = report.to_json()
    if arguments.report is not None:
        arguments.report.write_text(json.dumps(document, indent=2) + "\n")
    for reason in document["unexpected"]:
        narrator.say(f"not as expected: {reason}")
    invocation.emit(document, [f"as expected: {'yes' if document['as_expected'] else 'no'}, in {report.seconds} s"])
    return 0 if document["as_expected"] else 1
