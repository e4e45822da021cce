"""`python -m tests.faults SCENARIO [--seeds N] [--report FILE]`: long fault runs, outside the test suite."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from legacy_app.plan.plan import plan as sample
from outbox.kafka.port import GroupTiming
from outbox.written import write_whole
from strangler.errors import StranglerError
from strangler.local.stack import Stack
from strangler.local.system import System
from strangler.plan import load_plan
from tests.faults.arguments import read_arguments
from tests.faults.consumers import run_consumers
from tests.faults.continuations import run_continuations
from tests.faults.downstream import run_downstream
from tests.faults.flips import FlipReport, run_flips
from tests.faults.installations import run_installations
from tests.faults.judge import run_judge
from tests.faults.judge_report import JudgeReport
from tests.faults.key_report import KeyReport
from tests.faults.keys import run_keys
from tests.faults.lag import run_lag
from tests.faults.outage import Scale, run_outage
from tests.faults.overload import OverloadReport, run_overload
from tests.faults.poison import run_poison
from tests.faults.record_report import RecordReport
from tests.faults.records import run_records
from tests.faults.seam_report import SeamReport
from tests.faults.seams import run_seams
from tests.integration.consumer_rig import Rig
from tests.integration.kafka_rig import rig_on_kafka

PLAN = Path(__file__).resolve().parents[2] / "legacy_app" / "plan" / "plan.py"
INTERRUPTED = 130

# What a run found is shown, and whether it is a finding.
Result = tuple[dict[str, object], bool]


def main() -> int:
    """Exit 1 when a run found anything."""
    arguments = read_arguments()
    # Also where a shell has us ignore it, and when we are asked to end: what was found so far is still said.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="strangler-faults-") as folder:
            Path(folder).chmod(0o755)
            with Stack.start(Path(folder), kafka=arguments.kafka, say=lambda _: None) as stack:
                found, bad = SCENARIOS[arguments.scenario](stack, arguments)
    except StranglerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted before anything was found out\n")
        return INTERRUPTED
    document = {"scenario": arguments.scenario, "kafka": arguments.kafka, **found}
    if arguments.report:
        write_whole(arguments.report, f"{json.dumps(document, indent=2)}\n".encode())
    sys.stdout.write(json.dumps(document) + "\n")
    if found.get("interrupted"):
        return INTERRUPTED
    return 1 if bad else 0


def say(line: str) -> None:
    """Progress, beside the report on stdout."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def flips(stack: Stack, arguments: argparse.Namespace) -> Result:
    """Stage flips and demotions at random."""
    runs = [one(stack, arguments.flips, seed) for seed in range(arguments.seed, arguments.seed + arguments.seeds)]
    bad = any(run.both or run.neither or run.pending or run.epochs_unused or any(run.findings.values()) for run in runs)
    return {"runs": [run.to_json() for run in runs]}, bad


def one(stack: Stack, flips: int, seed: int) -> FlipReport:
    """A run on a database of its own, with two facade workers."""
    plan = load_plan(PLAN)
    dsn = stack.database(f"flips_{seed}", plan)
    system = System.start(
        stack, plan, database=dsn, topic_prefix=f"flips{seed}.", facade_workers=2, say=lambda _: None, plan_path=PLAN
    )
    try:
        return run_flips(system, plan, flips=flips, seed=seed)
    finally:
        system.stop()


def consumers(stack: Stack, arguments: argparse.Namespace) -> Result:
    """One fault per seed on a consumer group under load; then ten times what a member can do."""
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    report = run_consumers(stack, seeds, stack.folder / "members", say)
    if arguments.overload_s == 0 or report.interrupted:
        return report.to_json(), report.found()
    loaded = run_overload(stack, arguments.overload_s, stack.folder / "overloaded", say)
    document = {**report.to_json(), "interrupted": loaded.interrupted, "rss_growth_bytes": loaded.growth_bytes}
    return {**document, "overload": loaded.to_json()}, report.found() or loaded.found()


def overload(stack: Stack, arguments: argparse.Namespace) -> Result:
    """Ten times what the consumer can do, for minutes."""
    report: OverloadReport = run_overload(stack, arguments.overload_s, stack.folder / "members", say)
    return report.to_json(), report.found()


def continuations(stack: Stack, arguments: argparse.Namespace) -> Result:
    """The awaited outcome before, at and after the deadline; one process stopped at a named point per seed."""
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    report = run_continuations(stack, seeds, stack.folder / "continuations")
    return report.to_json(), report.found()


def outage(stack: Stack, arguments: argparse.Namespace) -> Result:
    """The payment vendor away for long, then three times the load it takes: the real contexts, four instances each."""
    wall_s = arguments.outage_s / arguments.compress
    scale = Scale(arguments.outage_s, arguments.compress, arguments.limit_per_s, calm_s=20.0, overload_s=wall_s / 3)
    report = run_outage(stack, stack.database("outage", sample), "outage.", scale)
    return report.to_json(), bool(report.missed)


def downstream(stack: Stack, arguments: argparse.Namespace) -> Result:
    """What a handler itself calls is away for long, then gets three times the load it takes. Real time."""
    with _rig(stack, "downstream") as rig:
        report = run_downstream(rig, capacity=500, outage_s=arguments.outage_s, overload_s=arguments.outage_s / 4)
    return report.to_json(), report.found()


def poison(stack: Stack, _arguments: argparse.Namespace) -> Result:
    """Five in a hundred events are poison; then all that was parked is replayed."""
    with _rig(stack, "poison") as rig:
        report = run_poison(rig, stack.bootstrap, rate=300, seconds=15.0)
    return report.to_json(), report.found()


def installations(stack: Stack, arguments: argparse.Namespace) -> Result:
    """Two installations on one broker: with topics of their own, then on the same ones."""
    report = run_installations(stack, orders=arguments.orders, say=say)
    return report.to_json(), report.found()


def lag(stack: Stack, arguments: argparse.Namespace) -> Result:
    """Lag in seconds held against the truth once a second."""
    report = run_lag(stack, stack.folder / "members", seconds=arguments.seconds, seed=arguments.seed, say=say)
    return report.to_json(), report.found()


def judge(stack: Stack, arguments: argparse.Namespace) -> Result:
    """Reconcile again and again under replay, flips and kills, with losses planted in between."""
    goes_on = arguments.first > 1 and arguments.report is not None
    report = run_judge(
        stack,
        runs=arguments.runs,
        first=arguments.first,
        seed=arguments.seed,
        plants=arguments.plants,
        earlier=JudgeReport.read(arguments.report) if goes_on else JudgeReport(),
        say=say,
    )
    return report.to_json(), bool(report.problems())


def seams(stack: Stack, arguments: argparse.Namespace) -> Result:
    """An application's process killed at each point of its seams; both kinds of application, all stages."""
    goes_on = arguments.first and arguments.report is not None
    seeds = range(max(arguments.first, arguments.seed), arguments.seed + arguments.seeds)
    earlier = SeamReport.read(arguments.report) if goes_on else SeamReport()
    report = run_seams(stack, seeds, stack.folder / "seams", earlier, say)
    return report.to_json(), bool(report.problems())


def records(stack: Stack, arguments: argparse.Namespace) -> Result:
    """One consumer process per seed, with records, errors and answers of any kind."""
    goes_on = arguments.first and arguments.report is not None
    seeds = range(max(arguments.first, arguments.seed), arguments.seed + arguments.seeds)
    earlier = RecordReport.read(arguments.report) if goes_on else RecordReport()
    report = run_records(stack, seeds, stack.folder / "records", earlier, say)
    return report.to_json(), bool(report.problems())


def keys(stack: Stack, arguments: argparse.Namespace) -> Result:
    """Clients that ask again, an application that fails, facades that are killed, stages that move."""
    goes_on = arguments.first and arguments.report is not None
    seeds = range(max(arguments.first, arguments.seed), arguments.seed + arguments.seeds)
    earlier = KeyReport.read(arguments.report) if goes_on else KeyReport()
    report = run_keys(stack, seeds, earlier, say)
    return report.to_json(), bool(report.problems())


def _rig(stack: Stack, name: str) -> AbstractContextManager[Rig]:
    """A database and a topic of its own."""
    database = stack.database(name, ("search",))
    return rig_on_kafka(database, stack.bootstrap, f"{name}.", timing=GroupTiming())


SCENARIOS: Mapping[str, Callable[[Stack, argparse.Namespace], Result]] = {
    "flips": flips,
    "consumers": consumers,
    "continuations": continuations,
    "seams": seams,
    "records": records,
    "keys": keys,
    "overload": overload,
    "outage": outage,
    "downstream": downstream,
    "installations": installations,
    "poison": poison,
    "judge": judge,
    "lag": lag,
}


if __name__ == "__main__":
    sys.exit(main())
