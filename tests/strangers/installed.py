"""An application of others as it is published, in an environment of its own; what changing it took, in lines."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.e2e.test_packaging import pip
from tests.strangers.running import HERE

LOCK = "requirements.lock"
PATIENCE_S = 400.0  # a slow index, on a busy machine; the tests have their own end


def environment(name: str, folder: Path) -> Path:
    """Python of a fresh environment in `folder`: what the lock names, installed once, and our wheel, made now."""
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(HERE.parents[1]), within_s=PATIENCE_S)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True, timeout=60)
    python = folder / "env" / "bin" / "python"
    (packages,) = (folder / "env" / "lib").glob("*/site-packages")
    (packages / "locked.pth").write_text(f"{_locked(name)}\n")
    pip("install", "--no-deps", str(wheel), python=python, within_s=PATIENCE_S)
    pip("check", python=python, within_s=PATIENCE_S)
    return python


def _locked(name: str) -> Path:
    """The packages of the application's lock, as published; kept in the user's cache, a folder for each lock."""
    lock = HERE / name / LOCK
    said = lock.read_bytes() + sys.version.encode()
    kept = _cache() / f"{name}-{hashlib.sha256(said).hexdigest()[:16]}"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=kept.parent) as making:
            packages = Path(making) / "packages"
            pip("install", "--no-deps", "--target", str(packages), "-r", str(lock), within_s=PATIENCE_S)
            try:
                packages.rename(kept)
            except OSError:
                assert kept.exists(), "nobody was faster"
    return kept


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strangler-strangers"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def patched(name: str, python: Path, folder: Path) -> Path:
    """The application with our patch, the plan, the service and its settings, in that folder."""
    found = f"import {name}, pathlib; print(pathlib.Path({name}.__file__).parent)"
    done = subprocess.run([python, "-c", found], capture_output=True, text=True, check=True, timeout=60, cwd=folder)
    package = done.stdout.splitlines()[-1]
    shutil.copytree(package, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "apply", str(HERE / name / "changes.patch")], cwd=folder, check=True, timeout=60)
    for path in (HERE / name).glob("*"):
        if path.is_file() and path.name not in ("changes.patch", LOCK):
            shutil.copy(path, folder)
    return folder


def lines_taken(name: str, service: str) -> dict[str, int]:
    """By what they stand in; without blank ones and comments."""
    ours = HERE / name
    added = (line for line in (ours / "changes.patch").read_text().splitlines() if line.startswith("+"))
    return {
        "changed in the application": len(_code("\n".join(line[1:] for line in added if line[:3] != "+++"))),
        "plan": len(_code((ours / "plan.py").read_text())),
        "service": len(_code((ours / service).read_text())),
    }


def _code(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
