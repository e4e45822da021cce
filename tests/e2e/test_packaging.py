"""The wheel: what is in it, and that it runs from anywhere, beside an old application, on every Python we promise."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
OLD_APPLICATION = ("sqlalchemy==1.4.54", "flask==2.2.5", "werkzeug==2.2.3", "flask-sqlalchemy==2.5.1")
LIBRARIES = {"sqlalchemy", "flask", "werkzeug", "flask-sqlalchemy", "jinja2", "click", "itsdangerous", "markupsafe"}
USES = """
import outbox, strangler
from outbox import Event
print(Event("invoice", "invoice-1", 1, "InvoiceMade", {"day": "Monday"}).json()["day"])
print(None not in [getattr(outbox, name) for name in outbox.__all__])
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


def pip(*arguments: str, python: Path | None = None, within_s: float = 110) -> str:
    """Its stdout. No index: skipped on a laptop, a failure in CI."""
    into = [] if python is None else ["--python", str(python)]
    argv = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *into, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=within_s, check=False)
    if done.returncode and "Connection" in done.stderr and not os.environ.get("CI"):
        pytest.skip("no package index")
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True, slots=True)
class Installed:
    """A fresh environment in a path with a space, and an empty folder to run in."""

    bin: Path
    empty: Path

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        bare = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KAFKA", "OUTBOX_"))
        }
        command = [str(self.bin / argv[0]), *argv[1:]]
        return subprocess.run(
            command,
            cwd=self.empty,
            env={**bare, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def installed(folder: Path, interpreter: str, *what: str) -> Installed:
    environment, empty = folder / "with a space" / "env", folder / "empty"
    empty.mkdir()
    argv = [interpreter, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(argv, check=True, timeout=60)
    pip("install", "--no-compile", *what, python=environment / "bin" / "python")
    return Installed(environment / "bin", empty)


def interpreter_of(version: str) -> str | None:
    """Ours, one on the path, or pyenv's."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(f"python{version}"), *map(str, home.glob(f"versions/{version}.*/bin/python"))]
    return next((found for found in candidates if found and _runs(found)), None)


def _runs(interpreter: str) -> bool:
    """pyenv's shims stand for versions that are not chosen, too."""
    return subprocess.run([interpreter, "--version"], capture_output=True, timeout=30, check=False).returncode == 0


def test_the_wheel_holds_both_libraries_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.partition("/")[0] for name in names if ".dist-info/" not in name}

    assert top == {"outbox", "strangler"}
    assert {"outbox/py.typed", "strangler/py.typed"} <= set(names)
    assert any(name.startswith("outbox/schema/versions/") for name in names)


@pytest.mark.parametrize("version", PYTHONS)
def test_it_runs_from_an_empty_folder_and_writes_nothing_into_its_own(
    wheel: Path, tmp_path: Path, version: str
) -> None:
    interpreter = interpreter_of(version)
    if interpreter is None:
        assert not os.environ.get("CI"), f"no Python {version} here: CI has them all"
        pytest.skip(f"no Python {version} here")
    environment = installed(tmp_path, interpreter, f"{wheel}[migrate]", "psycopg[binary]")
    before = list(_files(environment.bin.parent))
    for path in environment.bin.parent.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & ~0o222)  # binds no root: what was written is looked for below
    try:
        used = environment.run("python", "-c", USES)
        assert used.stdout.split() == ["Monday", "True"], used.stderr
        tables = environment.run("outbox", "migrate", "--sql")
        assert "CREATE TABLE" in tables.stdout, tables.stderr
        assert environment.run("outbox", "relay", "--help").returncode == 0
        refused = environment.run("strangler", "status")
        assert (refused.returncode, refused.stderr) == (
            2,
            "strangler: requests is missing; pip install 'strangler-toolkit[run]'\n",
        )
        assert list(_files(environment.bin.parent)) == before
    finally:
        for path in [environment.bin.parent, *environment.bin.parent.rglob("*")]:
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o200)


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    yield from sorted((str(path), path.lstat().st_size) for path in folder.rglob("*"))


def test_beside_an_old_application_nothing_of_it_is_upgraded(wheel: Path, tmp_path: Path) -> None:
    environment = installed(tmp_path, sys.executable, *OLD_APPLICATION)
    for what in ([str(wheel)], [f"{wheel}[migrate]", "sqlalchemy<2"]):
        would = planned("install", "--dry-run", "--report", "-", *what, python=environment.bin / "python")
        assert "psycopg" in would
        assert would & LIBRARIES == set()

    pip("install", "--no-compile", str(wheel), "psycopg[binary]", python=environment.bin / "python")
    refused = environment.run("outbox", "migrate", "--sql")
    assert (refused.returncode, "pip install 'strangler-toolkit[migrate]'" in refused.stderr) == (2, True)
    assert environment.run("outbox", "status", "--help").returncode == 0


def planned(*arguments: str, python: Path) -> set[str]:
    """Names of the distributions that would be installed."""
    report = json.loads(pip(*arguments, python=python))
    found: Sequence[dict[str, dict[str, str]]] = report["install"]
    return {one["metadata"]["name"].lower() for one in found}
