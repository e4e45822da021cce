"""`python -m tests.faults flips [--flips N] [--seeds N] [--report FILE]`: long fault runs, outside the test suite."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from strangler.local.stack import Stack
from strangler.local.system import System
from strangler.plan import load_plan
from tests.faults.flips import FlipReport, run_flips

PLAN = Path(__file__).resolve().parents[2] / "legacy_app" / "plan.py"


def main() -> int:
    """Exit 1 when a run found anything."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("scenario", choices=["flips"], nargs="?", default="flips")
    parser.add_argument("--flips", type=int, default=200, help="stage moves per run (default 200)")
    parser.add_argument("--seeds", type=int, default=1, help="runs, with seeds from --seed on (default 1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kafka", default=os.environ.get("KAFKA", "embedded"), help="embedded (default) or apache")
    parser.add_argument("--report", type=Path, help="write the runs as JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strangler-faults-") as folder:
        Path(folder).chmod(0o755)
        with Stack.start(Path(folder), kafka=arguments.kafka, say=lambda _: None) as stack:
            runs = [
                one(stack, arguments.flips, seed) for seed in range(arguments.seed, arguments.seed + arguments.seeds)
            ]
    document = {"scenario": "flips", "kafka": arguments.kafka, "runs": [run.to_json() for run in runs]}
    if arguments.report:
        arguments.report.write_text(json.dumps(document, indent=2) + "\n")
    sys.stdout.write(json.dumps(document) + "\n")
    return 1 if any(run.both or run.neither or run.epochs_unused or any(run.findings.values()) for run in runs) else 0


def one(stack: Stack, flips: int, seed: int) -> FlipReport:
    """A run on a database of its own, with two facade workers."""
    plan = load_plan(PLAN)
    dsn = stack.database(f"flips_{seed}", plan.branches)
    system = System.start(
        stack, plan, database=dsn, topic_prefix=f"flips{seed}.", facade_workers=2, say=lambda _: None, plan_path=PLAN
    )
    try:
        return run_flips(system, plan, flips=flips, seed=seed)
    finally:
        system.stop()


if __name__ == "__main__":
    sys.exit(main())
