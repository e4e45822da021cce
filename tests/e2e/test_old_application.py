"""The same tests inside an application as many are: SQLAlchemy 1.4, Flask 2.2, psycopg2."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_packaging import OLD_APPLICATION, ROOT, pip

LAST_ALEMBIC = "alembic<1.17"  # newer ones ask for SQLAlchemy 2
TESTS = (
    "tests/integration/test_append.py",
    "tests/integration/test_seam_record.py",
    "tests/integration/test_strangled_changes.py",
    "tests/integration/test_strangled_flask.py",
    "tests/integration/test_strangled_steps.py",
    "tests/integration/test_strangled_trouble.py",
    "tests/integration/test_strangled_units.py",
    "tests/strangers/test_desk_strangled.py",
)
AGAIN = ["-W", "ignore::DeprecationWarning", "-p", "no:cacheprovider", "-q"]  # of old libraries on a new Python


@pytest.mark.no_kafka
@pytest.mark.timeout(900)
def test_what_enters_a_monolith_does_the_same_on_old_libraries(tmp_path: Path) -> None:
    pip("install", "--no-compile", "--target", str(tmp_path), *OLD_APPLICATION, LAST_ALEMBIC)
    versions = "import flask, sqlalchemy; print(sqlalchemy.__version__)"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    environ = {**environ, "PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore::DeprecationWarning"}

    def run(*argv: str) -> subprocess.CompletedProcess[str]:
        argv = (sys.executable, *argv)
        return subprocess.run(argv, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=850, check=False)

    assert run("-c", versions).stdout.startswith("1.4.")
    ended = run("-m", "pytest", *AGAIN, *TESTS)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
