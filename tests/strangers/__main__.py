"""The applications of others, strangled again and again: `python -m tests.strangers --runs 10`.

What each run took is in the report at once, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tests.strangers.installed import lines_taken
from tests.strangers.running import HERE
from tests.strangers.watch import FIRST_MATCH, LIVE_AND_BACK, MEASURED

ROOT = HERE.parents[1]
# By application: the kind of its step, and the file of the service.
APPLICATIONS: Mapping[str, tuple[str, str]] = {
    "ihatemoney": ("tail, behind the commit", "mailer.py"),
    "anitya": ("tail, before the commit", "bus.py"),
}
Runs = list[dict[str, Any]]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.strangers", description=__doc__)
    parser.add_argument("applications", nargs="*", default=list(APPLICATIONS), help="all by default")
    parser.add_argument("--runs", type=int, default=1, help="of each, with those that the report has (default: 1)")
    parser.add_argument("--report", type=Path, default=Path("strangers.json"))
    arguments = parser.parse_args(argv)
    runs: Runs = json.loads(arguments.report.read_text()) if arguments.report.exists() else []
    for number in range(arguments.runs):
        for name in arguments.applications:
            if sum(run["application"] == name for run in runs) <= number:
                runs.append(once(name))
                arguments.report.write_text(json.dumps(runs, indent=1) + "\n")
                print(json.dumps(runs[-1]), flush=True)
    print("\n".join(table(runs)))
    return int(any(run["exit"] for run in runs))


def once(name: str) -> dict[str, Any]:
    """Its test, as `make test` runs it, and what that took."""
    with tempfile.TemporaryDirectory() as folder:
        measured = Path(folder) / "measured.json"
        test = str(HERE / f"test_{name}.py")
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", test],
            cwd=ROOT,
            env={**os.environ, MEASURED: str(measured)},
            stdout=sys.stderr,
            check=False,
        )
        seen = json.loads(measured.read_text()) if measured.exists() else {}
    return {"application": name, "exit": ended.returncode, **seen}


def table(runs: Runs) -> Iterator[str]:
    """As docs/reference/strangers.md has it: the median of each time, and the longest."""
    yield "| | Step | Lines | First MATCH | Live and back | Runs that did |"
    yield "|---|---|---|---|---|---|"
    for name, (kind, service) in APPLICATIONS.items():
        mine = [run for run in runs if run["application"] == name]
        did = [run for run in mine if not run["exit"]]
        if mine:
            times = " | ".join(_times([run[what] for run in did]) for what in (FIRST_MATCH, LIVE_AND_BACK))
            lines = sum(lines_taken(name, service).values())
            yield f"| {name} | {kind} | {lines} | {times} | {len(did)} of {len(mine)} |"


def _times(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.0f} s, at most {max(seconds):.0f} s" if seconds else "none"


if __name__ == "__main__":
    sys.exit(main())
