"""Fault runs of continuations: the outcome before, at and after the deadline, kill -9 and zombies at every point.

`python -m tests.faults continuations --seeds 200 --report FILE`. Seeds are played by a few processes side by side,
each with a database of its own; `python -m tests.faults.continuations` is such a process.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import psycopg
import requests

from outbox.partitions import ensure
from strangler.local.stack import Stack
from strangler.plan import load_plan
from tests.faults.continuation_case import case_of
from tests.faults.continuation_check import ledger_problems, problems
from tests.faults.continuation_run import Place, Play
from tests.support.waiting import NotInTime

PLAYERS = 3
ADMIN = "fault-token"
PLAN = Path(__file__).resolve().parents[2] / "legacy_app" / "plan" / "plan.py"
FAILING = {"mail": {"error_share": 0.15, "seed": 7}, "payments": {"error_share": 0.15, "seed": 8}}


@dataclass
class ContinuationReport:
    """`stopped`: how often a process was stopped, by point. `answers`: of first requests, by status."""

    seeds: int = 0
    seconds: float = 0.0
    stopped: Counter[str] = field(default_factory=Counter)
    timings: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, other: dict[str, Any]) -> None:
        self.seeds += other["seeds"]
        for name in ("stopped", "timings", "answers"):
            getattr(self, name).update(other[name])
        self.problems += other["problems"]

    def to_json(self) -> dict[str, object]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def found(self) -> bool:
        return bool(self.problems)


def run_continuations(stack: Stack, seeds: Sequence[int], folder: Path, players: int = PLAYERS) -> ContinuationReport:
    """All seeds; prints each seed that fails."""
    folder.mkdir(exist_ok=True)
    given = {"VENDORS_ADMIN_TOKEN": ADMIN, "VENDORS_FOLDER": str(folder)}
    argv = (sys.executable, "-m", "legacy_app", "vendors")
    vendors = stack.spawn("vendors-continuations", argv, env=given, port_env="PORT", ready_path="/healthz")
    report, started = ContinuationReport(), time.monotonic()
    names = [f"continuations_{secrets.token_hex(4)}" for _ in range(players)]
    try:
        for book, knobs in FAILING.items():
            headers = {"Authorization": f"Bearer {ADMIN}"}
            requests.put(f"{vendors.url}/knobs/{book}", json=knobs, headers=headers, timeout=5).raise_for_status()
        playing = [
            _player(stack, vendors.url, folder, share, name)
            for number, name in enumerate(names)
            if (share := seeds[number::players])
        ]
        for player in playing:
            said, _ = player.communicate()
            if not said:
                raise RuntimeError(f"a player ended with {player.returncode}; its words are above")
            report.add(json.loads(said))
    finally:
        vendors.terminate()
        for name in names:
            stack.databases.drop(name)
    report.seconds = round(time.monotonic() - started, 1)
    return report


def _player(stack: Stack, url: str, folder: Path, seeds: Sequence[int], name: str) -> subprocess.Popen[bytes]:
    dsn = stack.database(name, load_plan(PLAN))
    with psycopg.connect(dsn) as connection:
        ensure(connection)
    argv = [sys.executable, "-m", "tests.faults.continuations", dsn, url, str(folder), *map(str, seeds)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


def play(dsn: str, vendors_url: str, folder: Path, seeds: Sequence[int]) -> ContinuationReport:
    """The seeds one after the other, in a process without threads: it forks."""
    report, place = ContinuationReport(), Place.open(dsn, vendors_url, folder)
    for seed in seeds:
        case = case_of(seed)
        played = Play(place, case)
        try:
            played.run()
            found = problems(place.connection, case, played.answers)
        except (NotInTime, RuntimeError) as error:
            found = [str(error)]
        for each in found:
            sys.stderr.write(f"{each}\n")
        report.seeds += 1
        report.stopped[f"{case.victim} {case.point} {case.fate}"] += played.stopped
        report.timings[case.timing] += 1
        report.answers[str(played.answers[0]) if played.answers else "none"] += 1
        report.problems += found
    report.problems += ledger_problems(vendors_url, [case_of(seed) for seed in seeds])
    return report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("dsn")
    parser.add_argument("vendors_url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("seeds", type=int, nargs="+")
    given = parser.parse_args()
    sys.stdout.write(json.dumps(play(given.dsn, given.vendors_url, given.folder, given.seeds).to_json()))


if __name__ == "__main__":
    main()
