"""The runner: what works beside a consumer and dies takes the process along, with its error."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from outbox.kafka.python_admin import PythonAdmin
from tests.support.context_process import context_environ

PLAN = """
from strangler import Plan, Route, Step, Subject
from strangler.service import Resumer

class Dying:
    def run(self): raise RuntimeError("its work is gone")
    def wake(self): ...
    def stop(self): ...

def keep(connection, events): ...

plan = Plan(
    name="small",
    subject=Subject("order", read=lambda connection: [], caller="anonymous"),
    steps=(Step("mail"),),
    routes=(Route("POST /orders", creates="order"),),
    resumer=Resumer("resume", ("order",), handler=lambda fault_points: keep, worker=lambda settings: Dying()),
)
"""


def test_a_worker_that_dies_ends_the_process_with_its_error(
    database: str, bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({f"{topic_prefix}order": 1})
    (tmp_path / "plan.py").write_text(PLAN)
    environ = context_environ(database, bootstrap, topic_prefix) | {
        "PATH": os.environ["PATH"],
        "STRANGLER_PLAN": str(tmp_path / "plan.py"),
    }
    argv = [sys.executable, "-m", "strangler", "run", "resume"]
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 1
    assert "worker_died" in done.stderr
    assert "its work is gone" in done.stderr


def test_a_name_that_the_plan_does_not_run_is_refused_with_those_that_it_does(tmp_path: Path) -> None:
    (tmp_path / "plan.py").write_text(PLAN)
    argv = [sys.executable, "-m", "strangler", "run", "mail", "--plan", str(tmp_path / "plan.py")]
    environ = context_environ("postgresql://nowhere/x", "127.0.0.1:1", "x.") | {"PATH": os.environ["PATH"]}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 2
    assert "plan 'small' runs no 'mail'; it runs resume" in done.stderr
