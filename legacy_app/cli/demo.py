"""`demo`: the whole story in one command, on a throwaway stack, with a report."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from legacy_app.rehearsal.narrator import Narrator
from legacy_app.rehearsal.orders_file import PlaceOrder
from legacy_app.rehearsal.rehearse import rehearse
from legacy_app.rehearsal.replay.selection import Window, select, shortfall
from legacy_app.rehearsal.script import PLAN_FILE
from outbox.command import destination, printable, write_whole
from outbox.flags import count
from strangler import load_plan
from strangler.errors import BadInput
from strangler.local import Stack, remove_stack

LEAST_ORDERS = 20  # fewer do not walk the stages
LOGS, STAYS = "logs", "stays"
EPILOG = "exit: 0 as expected, 1 not as expected, 2 usage, 3 a dependency is down"


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser("demo", help="strangle the chain live, end to end, and reconcile it", epilog=EPILOG)
    parser.add_argument("--orders", type=count, default=300, help="orders to replay (default 300)")
    parser.add_argument("--orders-file", type=Path, help="a .csv or .csv.gz with the columns of Online Retail")
    parser.add_argument("--kafka", default=None, help="embedded (default), apache, or host:port of yours")
    parser.add_argument("--report", type=destination, metavar="FILE", help="write the report as JSON to this file")
    parser.add_argument("--keep", action="store_true", help="leave data and logs in their folder, and say where it is")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 only if the reconciliation is as expected. What was started leaves nothing, but for `--keep`; logs stay
    where it went otherwise than expected.
    """
    _check(args)
    plan, narrator = load_plan(PLAN_FILE), Narrator(sys.stderr)
    kafka = args.kafka or os.environ.get("KAFKA", "embedded")
    narrator.say(f"starting PostgreSQL and Kafka ({kafka}) on loopback")
    signal.signal(signal.SIGTERM, _interrupt)
    with _folder(narrator, keep=args.keep) as folder:
        with Stack.start(folder, kafka=kafka, say=lambda _: None) as stack:
            report = rehearse(stack, plan, orders=args.orders, orders_file=args.orders_file, narrator=narrator)
        document = report.to_json()
        if args.report is not None:
            write_whole(args.report, f"{json.dumps(document, indent=2)}\n".encode())
        for reason in document["unexpected"]:
            narrator.say(f"not as expected: {reason}")
        if not document["as_expected"]:
            _stays(narrator, folder)
    said = f"as expected: {'yes' if document['as_expected'] else 'no'}, in {report.seconds} s"
    print(json.dumps(document, default=str) if args.json else said)
    return 0 if document["as_expected"] else 1


@contextmanager
def _folder(narrator: Narrator, *, keep: bool) -> Iterator[Path]:
    """For data and logs; gone afterwards. With `keep` all of it stays, where an error ends the block its logs do."""
    folder = Path(tempfile.mkdtemp(prefix="strangler-demo-"))
    folder.chmod(0o755)
    if keep:
        narrator.say(f"data and logs are in {folder}, and stay there")
        yield folder
        return
    try:
        yield folder
    except Exception:
        _stays(narrator, folder)
        raise
    finally:
        remove_stack(folder, but=(LOGS,) if (folder / STAYS).exists() else ())


def _stays(narrator: Narrator, folder: Path) -> None:
    (folder / STAYS).touch()
    narrator.say(f"its logs stay in {folder / LOGS}; remove {folder} when they are read")


def _check(args: argparse.Namespace) -> None:
    """All that can be known before anything starts."""
    if args.orders < LEAST_ORDERS:
        raise BadInput(f"--orders {args.orders} is too few to walk the stages; give at least {LEAST_ORDERS}")
    file = args.orders_file
    if file is None:
        return
    if not file.exists():
        raise BadInput(f"no orders file at {printable(str(file))}; leave --orders-file out to use the sample's own")
    if not file.is_file():
        raise BadInput(
            f"{printable(str(file))} is not a regular file; the demo reads it several times, so save it first"
        )
    commands, intake = select(file, Window(args.orders, cancellations=False))
    orders = sum(isinstance(command, PlaceOrder) for command in commands)
    if orders < LEAST_ORDERS:
        why = shortfall(file, orders, 0, intake)
        raise BadInput(f"{why}. That is too few to walk the stages; give at least {LEAST_ORDERS}")


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
