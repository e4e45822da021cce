"""Makes a peer its own environment, once: `make bench` gets the frameworks that it is measured beside by itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(sys.prefix) / "peers"  # in .venv: what looks at the tree does not look there
ASK_VERSION = "import sys; print(sys.version_info[0], sys.version_info[1])"


class NoPeer(RuntimeError):
    """A framework cannot be had here; the message has the next step."""


@dataclass(frozen=True, slots=True)
class Framework:
    """What pip installs, and the oldest Python that takes it."""

    requirements: tuple[str, ...]
    oldest: tuple[int, int]


FRAMEWORKS = {
    "faststream": Framework(("faststream[kafka]>=0.7", "psycopg[binary]>=3.2.10"), (3, 11)),
    "proxy": Framework(("aiohttp>=3.11",), (3, 11)),
    "pyrallel": Framework(("pyrallel-consumer>=1.0",), (3, 12)),
}


def python_of(name: str, frameworks: Path = HERE) -> Path:
    """The Python that has the framework NAME; made now if it was not before, which takes about a minute.

    Raises:
        NoPeer: no Python is new enough, or pip fails.
    """
    framework, folder = FRAMEWORKS[name], frameworks / name
    python, made = folder / "bin" / "python", folder / "made.json"
    wanted = json.dumps(framework.requirements)
    if python.exists() and made.exists() and made.read_text() == wanted:
        return python
    print(f"making an environment for the peer {name} ...", file=sys.stderr)
    base = python_since(framework.oldest)
    if base is None:
        at_least = ".".join(map(str, framework.oldest))
        raise NoPeer(f"peer {name} needs Python {at_least} or newer, none is on PATH; install it, or --without {name}")
    shutil.rmtree(folder, ignore_errors=True)
    _run(name, [str(base), "-m", "venv", str(folder)])
    _run(name, [str(python), "-m", "pip", "install", "--quiet", *framework.requirements])
    made.write_text(wanted)
    return python


def python_since(oldest: tuple[int, int]) -> Path | None:
    """The first Python that is new enough: this one, then those on PATH and pyenv's, oldest first."""
    return next((one for one in _pythons() if _version(one) >= oldest), None)


def _pythons() -> Iterator[Path]:
    yield Path(sys.executable)
    minors = range(11, 30)
    yield from (Path(found) for minor in minors if (found := shutil.which(f"python3.{minor}")))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from (found for minor in minors for found in sorted(pyenv.glob(f"3.{minor}.*/bin/python")))


def _version(python: Path) -> tuple[int, ...]:
    """(0,) of one that does not run: pyenv's names on PATH stand for versions that are not chosen, too."""
    done = subprocess.run([str(python), "-c", ASK_VERSION], capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else (0,)


def _run(name: str, argv: list[str]) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise NoPeer(f"peer {name}: {' '.join(argv[:4])} ... failed: {last[0]}; mend that, or --without {name}")
