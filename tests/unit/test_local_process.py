"""Child processes: ready or an error with their log, stopped, killed with their children, started again."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from strangler.errors import DependencyDown
from strangler.local.low_priority import NICENESS
from strangler.local.process import Answers, Ready, Running, tail
from strangler.local.spawner import Command, Spawner
from tests.integration.family import runs
from tests.support.http_stub import answer, http_stub
from tests.support.waiting import wait_until

WAITS = "import time; print('ready to serve', flush=True); time.sleep(600)"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
PARENT = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {WAITS!r}]).pid, flush=True); {WAITS}"


@pytest.fixture
def spawner() -> Iterator[Spawner]:
    spawner = Spawner()
    yield spawner
    spawner.close()


def running(
    spawner: Spawner, folder: Path, program: str, *, ready: Ready | None = Running.said_ready, within_s: float = 30
) -> Running:
    command = Command((sys.executable, "-c", program), folder / "child.log")
    return Running("child", command, spawner, ready=ready, ready_within_s=within_s)


def test_ready_when_it_says_so(spawner: Spawner, tmp_path: Path) -> None:
    child = running(spawner, tmp_path, WAITS)
    child.start()
    assert child.alive()
    assert child.terminate() == -signal.SIGTERM
    assert not child.alive()


def test_started_again_waits_for_the_new_word(spawner: Spawner, tmp_path: Path) -> None:
    child = running(spawner, tmp_path, WAITS)
    child.start()
    first = child.pid
    child.kill()
    assert not child.said_ready() or not child.alive()
    child.start()
    assert child.pid != first
    assert child.log_path.read_text().count("ready") == 2
    child.kill()


def test_one_that_goes_behind_yields_to_the_others_with_its_whole_session(spawner: Spawner, tmp_path: Path) -> None:
    command = Command((sys.executable, "-c", WAITS), tmp_path / "child.log", behind=True)
    child = Running("child", command, spawner, ready=Running.said_ready)
    child.start()
    assert os.getpriority(os.PRIO_PROCESS, child.pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
    session = Path(f"/proc/{child.pid}/autogroup")
    if session.exists() and session.read_text():
        assert session.read_text().endswith(f"nice {NICENESS}\n")
    child.kill()


def test_one_that_ends_early_is_an_error_with_its_code_and_log(spawner: Spawner, tmp_path: Path) -> None:
    child = running(spawner, tmp_path, "import sys; print('no such table', flush=True); sys.exit(3)")
    with pytest.raises(DependencyDown, match=r"(?s)exit code 3.*child\.log.*no such table"):
        child.start()


def test_one_that_is_never_ready_is_killed_and_named(spawner: Spawner, tmp_path: Path) -> None:
    child = running(spawner, tmp_path, WAITS, ready=lambda _: False, within_s=0.2)
    with pytest.raises(DependencyDown, match=r"not ready after 0\.2 s"):
        child.start()
    assert not child.alive()


def test_one_that_does_not_exist_is_an_error(spawner: Spawner, tmp_path: Path) -> None:
    child = Running("ghost", Command(("/no/such/program",), tmp_path / "ghost.log"), spawner, ready=None)
    with pytest.raises(DependencyDown, match="ghost cannot be started"):
        child.start()


def test_one_that_ignores_the_signal_is_killed(spawner: Spawner, tmp_path: Path) -> None:
    child = running(spawner, tmp_path, DEAF)
    child.start()
    assert child.terminate(timeout_s=0.2) == -signal.SIGKILL


def test_its_children_are_killed_with_it(spawner: Spawner, tmp_path: Path) -> None:
    child = running(spawner, tmp_path, PARENT)
    child.start()
    numbers = partial(re.findall, r"^(\d+)$", flags=re.MULTILINE)  # either of them may be the first to speak
    wait_until(lambda: numbers(string=child.log_path.read_text()) != [])
    grandchild = int(numbers(string=child.log_path.read_text())[0])
    child.kill()
    wait_until(lambda: not runs(grandchild))
    assert not child.alive()


def test_it_outlives_the_thread_that_asked_for_it(spawner: Spawner, tmp_path: Path) -> None:
    child = running(spawner, tmp_path, WAITS)
    thread = threading.Thread(target=child.start)
    thread.start()
    thread.join(30)
    assert child.alive()
    assert child.terminate() == -signal.SIGTERM  # by us, not by the thread's end


def test_its_log_is_for_us_alone(spawner: Spawner, tmp_path: Path) -> None:
    child = running(spawner, tmp_path, WAITS)
    child.start()
    child.kill()
    assert child.log_path.stat().st_mode & 0o777 == 0o600


def test_the_tail_of_a_log_is_short(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text("\n".join(f"line {number}" for number in range(10_000)))
    assert tail(log).splitlines()[-1].strip() == "line 9999"
    assert len(tail(log).splitlines()) <= 15


@pytest.mark.parametrize(
    ("path", "status", "ready"),
    [
        (None, 200, True),
        (None, 404, True),
        (None, 308, True),
        (None, 503, False),
        ("/up", 200, True),
        ("/up", 404, False),
    ],
)
def test_what_serves_is_ready_when_it_answers_at_all_or_says_so_where_the_plan_asks(
    spawner: Spawner, tmp_path: Path, path: str | None, status: int, ready: bool
) -> None:
    child = running(spawner, tmp_path, WAITS)
    with http_stub() as stub:
        stub.reply = lambda _seen: answer(status, b"")
        child.port = int(stub.url.rsplit(":", 1)[1])
        ready_of = Answers(path)
        assert ready_of(child) is ready
    assert f"GET {path or '/'} is answered {status}" in str(ready_of)
