"""`replay`: send the orders of a file as an impatient client would, and say what came of them."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import requests

from legacy_app.environ import environ
from legacy_app.rehearsal.orders_file import SAMPLE, Command, Intake, PlaceOrder
from legacy_app.rehearsal.replay.attempts import Patience
from legacy_app.rehearsal.replay.crowd import Crowd
from legacy_app.rehearsal.replay.selection import Window, select, shortfall
from legacy_app.rehearsal.replay.summary import Tally
from outbox.command import destination
from outbox.flags import count, seconds, seed, whole
from strangler.errors import BadInput, DependencyDown

MOST_CLIENTS = 10_000  # a thread each


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser("replay", help="send real orders as an impatient client")
    parser.add_argument("--url", help="where orders are placed (default: FACADE_URL, else LEGACY_URL)")
    parser.add_argument("--orders", type=count, default=100, metavar="N", help="how many (default 100)")
    parser.add_argument("--offset", type=whole(0), default=0, metavar="K", help="skip the file's first K orders")
    parser.add_argument("--orders-file", type=Path, default=SAMPLE, metavar="FILE", help=".csv or .csv.gz")
    parser.add_argument(
        "--clients", type=whole(1, MOST_CLIENTS), default=8, metavar="N", help="at the same time (default 8)"
    )
    parser.add_argument("--timeout-s", type=seconds(0.001), default=1.0, metavar="S", help="of each try (default 1)")
    parser.add_argument("--attempts", type=count, default=4, metavar="N", help="tries of each order (default 4)")
    parser.add_argument("--cancellations", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--ref-suffix", default="", metavar="TEXT", help="makes the same orders new ones")
    parser.add_argument("--seed", type=seed, default=0, help="of the pauses between tries")
    parser.add_argument("--out", type=destination, metavar="FILE", help="one line of JSON for each order")
    parser.add_argument("--dry-run", action="store_true", help="read the file and say what would be sent")
    parser.add_argument("--progress-json", action="store_true", help="a line of JSON on stderr every second")
    parser.add_argument("--json", action="store_true", help="the summary as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ctrl-C or SIGTERM ends it cleanly, with the summary so far and exit 1. Exit 1 too where there is no order."""
    window = Window(args.orders, args.offset, args.cancellations, args.ref_suffix)
    commands, intake = select(args.orders_file, window)
    orders = [command for command in commands if isinstance(command, PlaceOrder)]
    if len(orders) < args.orders:
        print(shortfall(args.orders_file, len(orders), args.offset, intake), file=sys.stderr)
    if args.dry_run or not orders:
        first = orders[0].client_ref if orders else None
        _emit(args, {"orders": len(orders), "first_client_ref": first, "input": intake.to_json()})
        return 0 if orders else 1
    summary = _replay(args, commands, intake)
    _emit(args, summary)
    return 1 if summary["interrupted"] else 0


def _replay(args: argparse.Namespace, commands: list[Command], intake: Intake) -> dict[str, Any]:
    url = _url(args.url)
    started = time.monotonic()
    with ExitStack() as exits:
        tally = Tally(exits.enter_context(_out(args.out)) if args.out else None)
        crowd = Crowd(url, commands, Patience(args.timeout_s, args.attempts), tally, seed=args.seed)
        _stop_on_signals(crowd)
        crowd.run(args.clients, Progress(args, tally, len(commands)).show)
    seconds = round(time.monotonic() - started, 2)
    return {**tally.to_json(), "seconds": seconds, "interrupted": crowd.stopped, "input": intake.to_json()}


class Progress:
    """Overwrites one line on a terminal; with --progress-json writes a line each second; else is silent."""

    def __init__(self, args: argparse.Namespace, tally: Tally, commands: int) -> None:
        self._as_json, self._tally, self._commands = args.progress_json, tally, commands
        self._next = time.monotonic()

    def show(self) -> None:
        if time.monotonic() < self._next or not (self._as_json or sys.stderr.isatty()):
            return
        self._next = time.monotonic() + (1.0 if self._as_json else 0.2)
        if self._as_json:
            print(json.dumps(self._tally.to_json()), file=sys.stderr, flush=True)
            return
        tally = self._tally
        done = tally.offered + tally.cancellations_offered + tally.cancellations_without_order
        said = f"{done} of {self._commands}: {tally.accepted} orders accepted, {tally.timeouts} time-outs"
        print(f"\r{said:<78}", end="\n" if done == self._commands else "", file=sys.stderr, flush=True)


def _url(given: str | None) -> str:
    """The address, once something has answered there."""
    url = given or environ().get("FACADE_URL") or environ().get("LEGACY_URL")
    if not url:
        raise BadInput("nowhere to send orders: no --url, no FACADE_URL, no running stack; run `strangler up`")
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.get(f"{url.rstrip('/')}/healthz", timeout=5)
    except requests.ConnectionError as error:
        raise DependencyDown(f"nothing answers at {url}; start it, or give another --url") from error
    except requests.Timeout:
        pass  # somebody is there: slow is what this client is for
    except (requests.RequestException, ValueError) as error:
        raise BadInput(f"--url {url!r} is not an address: {error}") from error
    return url


def _out(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"--out {path} cannot be written: {error.strerror}") from error


def _stop_on_signals(crowd: Crowd) -> None:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        crowd.stop()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _emit(args: argparse.Namespace, data: dict[str, Any]) -> None:
    if args.json:
        print(json.dumps(data))
        return
    for name, value in data.items():
        print(f"{name}: {json.dumps(value) if isinstance(value, dict) else value}")
