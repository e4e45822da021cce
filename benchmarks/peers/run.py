"""Starts a peer's script and reads the one number that it prints."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.peers.environments import FRAMEWORKS, NoPeer, python_of
from benchmarks.question import LeftOut

WITHIN_S = 300.0
left_out: set[str] = set()  # frameworks that the command line leaves out: `--without`


def peer(name: str, *arguments: str) -> float | LeftOut:
    """What `peers/NAME.py` prints, run by its framework's Python; the framework is NAME up to its first `_`.

    Raises:
        NoPeer: the framework cannot be had, or its script fails: a comparison without its peer is none.
    """
    framework = name.partition("_")[0]
    if framework in left_out:
        return LeftOut(f"run it without `--without {framework}`")
    script = Path(__file__).with_name(f"{name}.py")
    argv = [str(python_of(framework)), str(script), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise NoPeer(f"peer {name} failed: {last[0]}; mend that, or --without {framework}")
    return float(done.stdout.split()[-1])


def leave_out(names: list[str]) -> None:
    """Measure without these frameworks, and say so in the document."""
    if unknown := set(names) - FRAMEWORKS.keys():
        raise NoPeer(f"no peer {', '.join(sorted(unknown))}; known: {', '.join(FRAMEWORKS)}")
    left_out.update(names)
