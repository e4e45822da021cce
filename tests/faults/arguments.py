"""The command line of the long fault runs: each scenario has the options it understands, and a bad one is named."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping, Sequence

from outbox.written import destination

OVERLOADS = ("consumers", "overload")
NEEDS_APACHE = (*OVERLOADS, "lag")
SEEDED = ("flips", "consumers", "continuations", "seams", "records", "keys")
LEAST_ORDERS = 30
SHORTEST_OVERLOAD_S = 20.0  # less may not fill the buffers

SCENARIOS = {
    "flips": "stage flips and demotions at random, under load",
    "consumers": "one fault per seed on a consumer group under load, then tenfold load",
    "continuations": "the awaited outcome before, at and after the deadline, with kills",
    "seams": "an application's process killed at each named point of its seams, and a loss planted each time",
    "records": "one consumer under any bytes, codecs, errors and answers, and something planted now and then",
    "keys": "keyed requests, repeated, while the application fails, facades are killed and stages move",
    "overload": "ten times the load that a consumer can take",
    "outage": "the payment vendor away for long, then three times the load it takes",
    "downstream": "what a handler calls away for long, then three times the load it takes",
    "installations": "two installations on one broker, each with orders of its own",
    "poison": "five in a hundred events are poison; then a replay of all that was parked",
    "lag": "lag in seconds held against the truth, through pauses, kills, rebalances and changes of topic",
    "judge": "reconcile again and again under replay, flips and kills, with losses planted in between",
}


def read_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """`scenario`, `kafka`, `report`, and the scenario's own options. Exits with 2 and the next step."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description="Long fault runs, outside the test suite.",
        epilog="exit: 0 nothing found, 1 something found, 2 usage, 3 a dependency is down, 130 interrupted",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--kafka", help="embedded, apache or host:port (default: KAFKA, else apache)")
    common.add_argument("--report", type=destination, metavar="FILE", help="write what was found as JSON")
    verbs = parser.add_subparsers(dest="scenario", required=True, metavar=" | ".join(SCENARIOS))
    made = {
        name: verbs.add_parser(name, help=what, description=what, parents=[common]) for name, what in SCENARIOS.items()
    }
    for name in SEEDED:
        made[name].add_argument("--seeds", type=_count, default=1, metavar="N", help="so many seeds (default 1)")
    for name in (*SEEDED, "judge", "lag"):
        made[name].add_argument("--seed", type=_count, default=1, metavar="N", help="the first seed (default 1)")
    made["flips"].add_argument("--flips", type=_count, default=200, metavar="N", help="moves per run (default 200)")
    made["installations"].add_argument(
        "--orders", type=_count, default=1_000, metavar="N", help="orders of each (default 1000)"
    )
    made["judge"].add_argument("--runs", type=_count, default=300, metavar="N", help="runs of reconcile (default 300)")
    made["judge"].add_argument("--plants", type=_count, default=30, metavar="N", help="losses planted (default 30)")
    made["judge"].add_argument(
        "--from", type=_count, default=1, dest="first", metavar="N", help="go on with run N, and add to the report"
    )
    goes_on = "go on with seed N, and add to the report"
    for name in ("seams", "records", "keys"):
        made[name].add_argument("--from", type=_count, default=0, dest="first", metavar="N", help=goes_on)
    for name in OVERLOADS:
        none = "; 0: none" if name == "consumers" else ""
        made[name].add_argument(
            "--overload-s", type=_seconds, default=600.0, metavar="S", help=f"seconds of tenfold load (600{none})"
        )
    _add_times(made)
    arguments = parser.parse_args(argv)
    _check(parser, arguments)
    return arguments


def _add_times(made: Mapping[str, argparse.ArgumentParser]) -> None:
    """How long things last."""
    made["lag"].add_argument("--seconds", type=_seconds, default=600.0, metavar="S", help="of load and faults (600)")
    made["downstream"].add_argument(
        "--outage-s", type=_seconds, default=60.0, metavar="S", help="seconds without the downstream (60)"
    )
    made["outage"].add_argument(
        "--outage-s", type=_seconds, default=600.0, metavar="S", help="seconds on the clock of retries (600)"
    )
    made["outage"].add_argument(
        "--compress", type=_factor, default=10.0, metavar="F", help="how much faster that clock is (10); 1: real time"
    )
    made["outage"].add_argument(
        "--limit-per-s", type=_count, default=40, metavar="N", help="charges that the vendor takes a second (40)"
    )


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    arguments.kafka = arguments.kafka or os.environ.get("KAFKA", "apache")
    if arguments.scenario in NEEDS_APACHE and arguments.kafka == "embedded":
        parser.error("the embedded Kafka never misses a killed member; say --kafka apache")
    overload_s = getattr(arguments, "overload_s", SHORTEST_OVERLOAD_S)
    left_out = overload_s == 0 and arguments.scenario == "consumers"
    if overload_s < SHORTEST_OVERLOAD_S and not left_out:
        parser.error(f"--overload-s {overload_s:g} shows nothing; give {SHORTEST_OVERLOAD_S:g} or more")
    if getattr(arguments, "orders", LEAST_ORDERS) < LEAST_ORDERS:
        parser.error(f"--orders {arguments.orders} is too few to share; give {LEAST_ORDERS} or more")
    if getattr(arguments, "outage_s", 1.0) == 0:
        parser.error("--outage-s 0 is no outage; give some seconds")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return seconds


def _factor(text: str) -> float:
    factor = _seconds(text)
    if not 1 <= factor <= 60:
        raise argparse.ArgumentTypeError(f"{text!r} is no factor from 1 to 60")
    return factor
