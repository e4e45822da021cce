"""`python -m tests.faults.shifted_clock SECONDS MODULE ...`: a module whose wall clock is wrong by so much.

Only Python's wall clock: monotonic time, and so every wait, is as it was.
"""

from __future__ import annotations

import runpy
import sys
import time


def main() -> None:
    shift_s, module = float(sys.argv[1]), sys.argv[2]
    true_s, true_ns = time.time, time.time_ns
    time.time = lambda: true_s() + shift_s
    time.time_ns = lambda: true_ns() + round(shift_s * 1e9)
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
