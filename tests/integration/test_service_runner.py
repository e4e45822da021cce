"""The runner: what works beside a consumer and dies takes the process along, with its error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from outbox.event import Event
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from tests.support.context_process import context_environ

ROOT = Path(__file__).parents[2]
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


SLOW_TO_END = """
import threading
from strangler import Plan, Route, Step, Subject
from strangler.service import Resumer

stopped = threading.Event()

class Stopped:
    def run(self): stopped.wait(60)
    def wake(self): ...
    def stop(self): stopped.set()

def handle(connection, events):
    print("handling", flush=True)
    print("worker stopped meanwhile:", stopped.wait(60), flush=True)

plan = Plan(
    name="small",
    subject=Subject("order", read=lambda connection: [], caller="anonymous"),
    steps=(Step("mail"),),
    routes=(Route("POST /orders", creates="order"),),
    resumer=Resumer("resume", ("order",), handler=lambda fault_points: handle, worker=lambda settings: Stopped()),
)
"""


def test_a_signal_ends_the_consumer_and_its_worker_side_by_side(
    database: str, bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({f"{topic_prefix}order": 1})
    producer = PythonProducer(bootstrap)
    event = Event("order", "o-1", 1, "OrderPlaced", b"{}")
    producer.send(f"{topic_prefix}order", b"o-1", b"{}", to_headers(event, None))
    producer.flush(10)
    producer.close(10)
    (tmp_path / "plan.py").write_text(SLOW_TO_END)
    environ = context_environ(database, bootstrap, topic_prefix) | {
        "PATH": os.environ["PATH"],
        "STRANGLER_PLAN": str(tmp_path / "plan.py"),
    }
    argv = [sys.executable, "-m", "strangler", "run", "resume"]
    with subprocess.Popen(
        argv, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "handling\n":
                break
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "worker stopped meanwhile: True\n")
    assert "drain_incomplete" not in said


def test_a_name_that_the_plan_does_not_run_is_refused_with_those_that_it_does(tmp_path: Path) -> None:
    (tmp_path / "plan.py").write_text(PLAN)
    argv = [sys.executable, "-m", "strangler", "run", "mail", "--plan", str(tmp_path / "plan.py")]
    environ = context_environ("postgresql://nowhere/x", "127.0.0.1:1", "x.") | {"PATH": os.environ["PATH"]}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 2
    assert "plan 'small' runs no 'mail'; it runs resume" in done.stderr
