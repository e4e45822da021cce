"""`python -m benchmarks [NAME ...]`: run the named questions (all by default), write results/NAME.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    admission_peak,
    consumer_effect,
    consumer_noop,
    consumer_parallel,
    consumer_retry,
    facade_overhead,
    relay_drain,
    seam_overhead,
    shadow_reads,
)
from benchmarks.peers.environments import NoPeer
from benchmarks.peers.run import leave_out
from benchmarks.question import Answer, Question
from strangler.local import Stack

QUESTIONS: dict[str, Question] = {
    "admission_peak": admission_peak.measure,
    "consumer_effect": consumer_effect.measure,
    "consumer_noop": consumer_noop.measure,
    "consumer_parallel": consumer_parallel.measure,
    "consumer_retry": consumer_retry.measure,
    "facade_overhead": facade_overhead.measure,
    "relay_drain": relay_drain.measure,
    "seam_overhead": seam_overhead.measure,
    "shadow_reads": shadow_reads.measure,
}
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    arguments = read_arguments(sys.argv[1:])
    try:
        leave_out(arguments.without)
        measure(arguments)
    except NoPeer as error:
        print(f"python -m benchmarks: {error}", file=sys.stderr)
        return 3
    return 0


def measure(arguments: argparse.Namespace) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="strangler-bench-") as folder,
        Stack.start(Path(folder), kafka=arguments.kafka, say=lambda text: print(text, file=sys.stderr)) as stack,
    ):
        for name in arguments.names or QUESTIONS:
            publish(QUESTIONS[name](stack), kafka=arguments.kafka)


def read_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(QUESTIONS)}; all by default")
    parser.add_argument("--kafka", default=os.environ.get("KAFKA", "apache"), help="apache (default) or embedded")
    parser.add_argument(
        "--without", action="append", default=[], metavar="PEER", help="leave a framework out; else a missing one fails"
    )
    arguments = parser.parse_args(argv)
    unknown = set(arguments.names) - QUESTIONS.keys()
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; known: {', '.join(QUESTIONS)}")
    return arguments


def publish(answer: Answer, *, kafka: str) -> None:
    """Write the result file and say it on stdout."""
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}
    document = answer.to_json() | {"machine": machine}
    document["settings"] |= {"kafka": kafka}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{answer.name}.json").write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps(document))


if __name__ == "__main__":
    sys.exit(main())
