"""`demo`: the whole story in one command, on a throwaway stack, with a report."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from legacy_app.rehearsal.narrator import Narrator
from legacy_app.rehearsal.rehearse import rehearse
from legacy_app.rehearsal.script import PLAN_FILE
from strangler import load_plan
from strangler.errors import BadInput
from strangler.local import Stack


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser("demo", help="strangle the chain live, end to end, and reconcile it")
    parser.add_argument("--orders", type=int, default=300, help="orders to replay (default 300)")
    parser.add_argument("--orders-file", type=Path, help="a .csv or .csv.gz with the columns of Online Retail")
    parser.add_argument("--kafka", default=None, help="embedded (default), apache, or host:port of yours")
    parser.add_argument("--report", type=Path, help="write the report as JSON to this file")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 only if the reconciliation is as expected. Data and logs stay in a folder that the report names."""
    if args.orders < 20:
        raise BadInput(f"--orders {args.orders} is too few to walk the stages; give at least 20")
    if args.orders_file is not None and not args.orders_file.is_file():
        raise BadInput(f"no orders file at {args.orders_file}; leave --orders-file out to use the sample's own")
    if args.report is not None and (args.report.is_dir() or not args.report.absolute().parent.is_dir()):
        raise BadInput(f"--report {args.report} cannot be written: make its folder, or give another file")
    plan, narrator = load_plan(PLAN_FILE), Narrator(sys.stderr)
    kafka = args.kafka or os.environ.get("KAFKA", "embedded")
    narrator.say(f"starting PostgreSQL and Kafka ({kafka}) on loopback")
    folder = Path(tempfile.mkdtemp(prefix="strangler-demo-"))
    folder.chmod(0o755)
    with Stack.start(folder, kafka=kafka, say=lambda _: None) as stack:
        report = rehearse(stack, plan, orders=args.orders, orders_file=args.orders_file, narrator=narrator)
    document = report.to_json()
    if args.report is not None:
        args.report.write_text(json.dumps(document, indent=2) + "\n")
    for reason in document["unexpected"]:
        narrator.say(f"not as expected: {reason}")
    said = f"as expected: {'yes' if document['as_expected'] else 'no'}, in {report.seconds} s"
    print(json.dumps(document, default=str) if args.json else said)
    return 0 if document["as_expected"] else 1
