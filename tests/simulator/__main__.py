"""`python -m tests.simulator --seeds N`: random interleavings of the consumer core; a violation comes with its seed,
and with the fewest steps that still show it. `--mutate NAME` puts a known bug into the core first.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import nullcontext

from outbox.written import destination, write_whole
from tests.simulator.mutations import MUTATIONS
from tests.simulator.world import shrink, steps_of, violation_of

STEPS = 200


def main() -> int:
    """Exit 1 when an invariant broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="runs (default 1000)")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps per run (default {STEPS})")
    parser.add_argument("--mutate", choices=sorted(MUTATIONS), help="put this bug into the core")
    parser.add_argument("--report", type=destination, help="write the result as JSON")
    arguments = parser.parse_args()
    began = time.monotonic()
    violations = []
    with MUTATIONS[arguments.mutate]() if arguments.mutate else nullcontext():
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            steps = steps_of(seed, arguments.steps)
            found = violation_of(steps)
            if found is not None:
                fewest = [f"{step.kind}:{step.seed}" for step in shrink(steps, found)]
                violations.append({"seed": seed, "invariant": found.name, "seen": str(found), "steps": fewest})
                break
    result = {
        "seeds": seed - arguments.seed + 1,
        "interleaved_steps": (seed - arguments.seed + 1) * arguments.steps,
        "seconds": round(time.monotonic() - began, 1),
        "violations": violations,
    }
    if arguments.report:
        write_whole(arguments.report, f"{json.dumps(result, indent=2)}\n".encode())
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
