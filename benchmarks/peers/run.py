"""Starts a peer's script and reads the one number that it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.question import LeftOut

WITHIN_S = 300.0


def peer(name: str, *arguments: str) -> float | LeftOut:
    """What `peers/NAME.py` prints; `LeftOut`, said on stderr too, if its framework is not installed.

    `BENCH_PYTHON_NAME` names the Python that has the framework, NAME up to its first `_`; else it is this one.
    """
    variable = f"BENCH_PYTHON_{name.partition('_')[0].upper()}"
    python = os.environ.get(variable, sys.executable)
    script = Path(__file__).with_name(f"{name}.py")
    done = subprocess.run(
        [python, str(script), *arguments], capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    if done.returncode == 0:
        return float(done.stdout.split()[-1])
    last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
    if "ModuleNotFoundError" in last[0]:
        left_out = LeftOut(f"pip install '.[bench]', or set {variable}")
        print(f"peer {name} is left out: {last[0]}; {left_out.next_step}", file=sys.stderr)
        return left_out
    raise RuntimeError(f"peer {name} failed: {last[0]}")
