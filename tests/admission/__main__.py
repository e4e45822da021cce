"""`python -m tests.admission --scenario NAME --seeds N --report F`: the admission core in virtual time, against bars.

Without a scenario, all of them; exit 1 when a bar is broken.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from outbox import flags
from outbox.written import destination, write_whole
from tests.admission.loads import Found
from tests.admission.scenarios import SCENARIOS


def main() -> int:
    """One line of figures for each run."""
    parser = argparse.ArgumentParser(prog="python -m tests.admission", description=__doc__)
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", help="may be given again (default: all)")
    parser.add_argument("--seeds", type=flags.count, default=1, help="runs of each (default 1)")
    parser.add_argument("--seed", type=flags.seed, default=1, help="the first seed")
    parser.add_argument("--seconds", type=flags.seconds(1.0, 3_600.0), help="virtual time (default: the scenario's)")
    parser.add_argument("--report", type=destination, help="write the result as JSON")
    arguments = parser.parse_args()
    runs, broken = list[dict[str, object]](), False
    for name in arguments.scenario or SCENARIOS:
        scenario = SCENARIOS[name]
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            began = time.monotonic()
            found = scenario.run(seed, arguments.seconds or scenario.seconds)
            bars = scenario.broken(found)
            broken = broken or bool(bars)
            runs.append({"scenario": name, "seed": seed, **found, "broken": bars})
            sys.stdout.write(f"{name} seed {seed}: {line(found)} ({time.monotonic() - began:.1f} s)\n")
            sys.stdout.writelines(f"  BROKEN {bar}\n" for bar in bars)
            sys.stdout.flush()
    if arguments.report:
        write_whole(arguments.report, f"{json.dumps(runs, indent=2)}\n".encode())
    return 1 if broken else 0


def line(found: Found) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in found.items())


if __name__ == "__main__":
    sys.exit(main())
