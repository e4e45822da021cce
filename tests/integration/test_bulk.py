"""A command that does not come over HTTP waits, is slowed, and ends, with all of its processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from strangler.bulk import BulkEnded, units
from strangler.bulk.gate import Gate
from strangler.errors import BadInput
from tests.support.waiting import wait_until

UNITS = """
import os, pathlib, sys, time
from strangler.bulk import units
folder = pathlib.Path(sys.argv[1])
(folder / "child").write_text(str(os.getpid()))
for number in units(range(5)):
    while number == 1 and not (folder / "pressed").exists():
        time.sleep(0.01)
    with (folder / "log").open("a") as file:
        file.write("unit\\n")
sys.exit(7)"""
# A shell and what it started: both are of the group, and neither asks for anything.
GROUP = 'sleep 3000 & echo $! > "$0/grandchild"; echo $$ > "$0/child"; wait'
DEAF = 'trap "" TERM INT; echo $$ > "$0/child"; while true; do sleep 0.1; done'


HEEDS = """
import pathlib, signal, sys, time
from strangler.bulk import BulkEnded, units
folder = pathlib.Path(sys.argv[1])
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(1))
try:
    for number in units(range(5)):
        with (folder / "log").open("a") as file:
            file.write("unit\\n")
        while number == 0 and not (folder / "asks").exists():
            time.sleep(0.01)
except BulkEnded:
    sys.exit(5 if told else 6)"""


@contextmanager
def admitted(folder: Path, *argv: str, **terms: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.support.bulk_process", str(folder), json.dumps(terms), "--", *argv]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        for name in ("child", "grandchild"):  # they have its output open, too
            if (folder / name).exists():
                with suppress(ProcessLookupError):
                    os.kill(number(folder, name), signal.SIGKILL)
        process.communicate(timeout=60)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, trouble = process.communicate(timeout=60)
    assert process.returncode == 0, trouble
    return dict(json.loads(said.splitlines()[-1]))


def number(folder: Path, name: str) -> int:
    return int((folder / name).read_text())


def state(folder: Path, name: str) -> str:
    """As /proc tells it: T is stopped; empty where it is gone."""
    try:
        return Path(f"/proc/{number(folder, name)}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return ""


def done(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def press(folder: Path, name: str = "pressed") -> None:
    (folder / name).touch()


def relieve(folder: Path, name: str = "pressed") -> None:
    (folder / name).unlink()


def test_it_waits_before_it_begins_and_its_exit_code_is_the_commands(tmp_path: Path) -> None:
    press(tmp_path)
    with admitted(tmp_path, "sh", "-c", 'touch "$0/began"; exit 7', str(tmp_path)) as process:
        wait_until((tmp_path / "waits").exists)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert not (tmp_path / "began").exists()
        relieve(tmp_path)
        found = ended(process)
    assert (found["exit_code"], found["ended"], (tmp_path / "began").exists()) == (7, "by itself", True)
    assert found["waited_s"] > 0
    assert found["why"] == {"payment": 6.0}


def test_it_is_refused_once_it_has_waited_for_as_long_as_it_may(tmp_path: Path) -> None:
    press(tmp_path)
    with admitted(tmp_path, "touch", str(tmp_path / "began"), longest_wait_s=0.2) as process:
        found = ended(process)
    assert found["exit_code"] is None
    assert found["ended"] == "not begun within longest_wait_s=0.2, for payment"
    assert not (tmp_path / "began").exists()


def test_who_asks_is_held_before_its_next_unit_under_pressure_and_goes_on_after_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with admitted(tmp_path, sys.executable, "-c", UNITS, str(tmp_path)) as process:
        wait_until(lambda: done(log) == 1)
        press(tmp_path)
        wait_until(lambda: done(log) == 2)  # it had begun
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        assert (done(log), state(tmp_path, "child") == "T") == (2, False), "held by its answer, never stopped"
        relieve(tmp_path)
        found = ended(process)
    assert (done(log), found["units"], found["exit_code"]) == (5, 5, 7)
    assert found["slowed_s"] > 0
    assert found["in_transaction_s"] == 0


def test_slow_is_one_unit_in_so_many_seconds(tmp_path: Path) -> None:
    with admitted(tmp_path, sys.executable, "-c", UNITS, str(tmp_path), slow_s=0.05) as process:
        wait_until(lambda: done(tmp_path / "log") == 1)
        press(tmp_path)
        assert ended(process)["units"] == 5, "pressure that stays holds nobody up for ever"


def test_who_does_not_ask_is_stopped_with_all_its_processes_and_continued(tmp_path: Path) -> None:
    with admitted(tmp_path, "sh", "-c", GROUP, str(tmp_path)) as process:
        wait_until(lambda: state(tmp_path, "child") and state(tmp_path, "grandchild"))
        press(tmp_path)
        wait_until(lambda: (state(tmp_path, "child"), state(tmp_path, "grandchild")) == ("T", "T"))
        relieve(tmp_path)
        wait_until(lambda: (state(tmp_path, "child"), state(tmp_path, "grandchild")) == ("S", "S"))
        process.send_signal(signal.SIGTERM)
        found = ended(process)
    assert found["slowed_s"] > 0


def test_it_runs_for_a_tenth_of_the_time_however_long_the_pressure_lasts(tmp_path: Path) -> None:
    with admitted(tmp_path, "sh", "-c", GROUP, str(tmp_path), slow_s=2.0) as process:
        wait_until(lambda: state(tmp_path, "grandchild"))
        press(tmp_path)
        wait_until(lambda: state(tmp_path, "child") == "T")
        wait_until(lambda: state(tmp_path, "child") == "S")
        wait_until(lambda: state(tmp_path, "child") == "T")
        process.send_signal(signal.SIGTERM)
        assert ended(process)["slowed_s"] > 0


def test_it_is_not_stopped_while_it_has_a_transaction_open(tmp_path: Path) -> None:
    press(tmp_path, "open")
    with admitted(tmp_path, "sh", "-c", GROUP, str(tmp_path)) as process:
        wait_until(lambda: state(tmp_path, "grandchild"))
        press(tmp_path)
        wait_until((tmp_path / "waits").exists)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert state(tmp_path, "child") != "T"
        relieve(tmp_path, "open")
        wait_until(lambda: state(tmp_path, "child") == "T")
        process.send_signal(signal.SIGTERM)
        found = ended(process)
    assert found["in_transaction_s"] > 0


def test_what_passes_its_bound_is_told_to_end_also_where_it_stands(tmp_path: Path) -> None:
    with admitted(tmp_path, "sh", "-c", GROUP, str(tmp_path), longest_s=12.0, slow_s=12.0) as process:
        wait_until(lambda: state(tmp_path, "grandchild"))
        press(tmp_path)
        wait_until(lambda: state(tmp_path, "child") == "T")
        found = ended(process)
    assert (found["exit_code"], found["ended"]) == (128 + signal.SIGTERM, "ran for longest_s=12")
    wait_until(lambda: state(tmp_path, "grandchild") in ("", "Z"))


def test_what_is_deaf_is_killed(tmp_path: Path) -> None:
    with admitted(tmp_path, "sh", "-c", DEAF, str(tmp_path), grace_s=0.2) as process:
        wait_until(lambda: state(tmp_path, "child"))
        process.send_signal(signal.SIGTERM)
        found = ended(process)
    assert found["exit_code"] == 128 + signal.SIGKILL
    assert found["ended"] == "told to by SIGTERM, and killed 0.2 s later"


def test_who_asks_and_ends_by_itself_when_told_to_is_not_killed(tmp_path: Path) -> None:
    with admitted(tmp_path, sys.executable, "-c", HEEDS, str(tmp_path), grace_s=50.0) as process:
        wait_until(lambda: done(tmp_path / "log") == 1)
        press(tmp_path)
        wait_until((tmp_path / "waits").exists)
        (tmp_path / "asks").touch()
        process.send_signal(signal.SIGTERM)
        found = ended(process)
    assert (found["ended"], found["exit_code"]) == ("told to by SIGTERM", 5)
    assert done(tmp_path / "log") == 1


def test_ctrl_c_is_passed_on_and_all_end(tmp_path: Path) -> None:
    with admitted(tmp_path, "sh", "-c", 'echo $$ > "$0/child"; exec sleep 3000', str(tmp_path)) as process:
        wait_until(lambda: state(tmp_path, "child"))
        process.send_signal(signal.SIGINT)
        found = ended(process)
    assert (found["ended"], found["exit_code"]) == ("told to by SIGINT", 128 + signal.SIGINT)


def test_ctrl_c_while_it_waits_begins_nothing(tmp_path: Path) -> None:
    press(tmp_path)
    with admitted(tmp_path, "touch", str(tmp_path / "began")) as process:
        wait_until((tmp_path / "waits").exists)
        process.send_signal(signal.SIGINT)
        found = ended(process)
    assert (found["exit_code"], (tmp_path / "began").exists()) == (None, False)


def test_what_stands_does_not_stand_for_ever_where_we_are_killed(tmp_path: Path) -> None:
    with admitted(tmp_path, "sh", "-c", GROUP, str(tmp_path)) as process:
        wait_until(lambda: state(tmp_path, "grandchild"))
        press(tmp_path)
        wait_until(lambda: state(tmp_path, "child") == "T")
        process.kill()
        wait_until(lambda: state(tmp_path, "child") != "T")
        wait_until(lambda: state(tmp_path, "grandchild") != "T")
        assert process.wait(30) == -signal.SIGKILL, "nobody else was there to continue them"


def test_more_that_ask_at_once_than_can_wait_to_be_connected_all_get_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(Gate()) as gate, ExitStack() as others:
        monkeypatch.setenv("BULK_SOCKET", gate.path)
        with suppress(BlockingIOError):
            while True:
                other = others.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                other.setblocking(False)
                other.connect(gate.path)
        got = list[int]()
        asks = threading.Thread(target=lambda: got.extend(units([1])), daemon=True)
        asks.start()

        def let() -> bool:
            gate.wait(0.01)
            while gate.asking:
                gate.let_one()
            return got == [1]

        wait_until(let)
        asks.join()
        assert got == [1]


def test_a_folder_too_deep_for_a_socket_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 110)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(BadInput, match="set TMPDIR to a short path"):
        Gate()
    assert not list(deep.iterdir())


def test_a_job_whose_watcher_is_gone_ends_between_two_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULK_SOCKET", str(tmp_path / "nobody"))
    with pytest.raises(BulkEnded, match="start the job by `strangler admit bulk` again"):
        next(units([1]))
