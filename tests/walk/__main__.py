"""`python -m tests.walk trace FILE`: walk one order, write down what it called. `page`: make docs/reference/walk.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from tests.walk.hops import Calls, in_all
from tests.walk.one_order import walk
from tests.walk.page import render
from tests.walk.recorder import ROOT

BEFORE, AFTER = (Path(__file__).with_name(f"{side}.json") for side in ("before", "after"))
PAGE = ROOT / "docs" / "reference" / "walk.md"


def main() -> int:
    """Exit 1 when the page is checked and is not what the traces give."""
    parser = argparse.ArgumentParser(prog="python -m tests.walk", description=__doc__)
    verbs = parser.add_subparsers(required=True)
    trace = verbs.add_parser("trace", help="walk an order; KAFKA says through which Kafka, as for the tests")
    trace.add_argument("file", type=Path, help="JSON: by hop, the functions in the order of their first calls")
    trace.add_argument("--runs", type=int, default=3, metavar="N", help="systems to walk (default 3)")
    trace.set_defaults(run=write_trace)
    page = verbs.add_parser("page", help="make the page of before.json and after.json")
    page.add_argument("--check", action="store_true", help="change nothing, exit 1 when it is not up to date")
    page.set_defaults(run=write_page)
    arguments = parser.parse_args()
    return int(arguments.run(arguments))


def write_trace(arguments: argparse.Namespace) -> int:
    walked = in_all([walk(os.environ.get("KAFKA", "embedded")) for _ in range(arguments.runs)])
    arguments.file.write_text(json.dumps(walked, indent=1) + "\n")
    return 0


def write_page(arguments: argparse.Namespace) -> int:
    if not arguments.check:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.stderr.write("docs/reference/walk.md is not what tests/walk/*.json give; run: python -m tests.walk page\n")
        return 1
    return 0


def page() -> str:
    """As the traces give it that are kept here."""
    return render(read(BEFORE), read(AFTER) if AFTER.exists() else None)


def read(file: Path) -> Calls:
    calls: Calls = json.loads(file.read_text())
    return calls


if __name__ == "__main__":
    sys.exit(main())
