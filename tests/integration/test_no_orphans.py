"""Nothing outlives its parent: neither Ctrl-C nor kill -9 leaves a process behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.family import descendants, runs
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.tour,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child of its parent's end"),
    pytest.mark.timeout(240),
]


@pytest.fixture
def program(kafka_kind: str) -> Iterator[subprocess.Popen[str]]:
    folder = Path(tempfile.mkdtemp(prefix="strangler-orphans-"))
    folder.chmod(0o755)
    argv = [sys.executable, "-m", "tests.integration.stack_program", str(folder), kafka_kind]
    # A pipe, so that our own Ctrl-C in a terminal is not theirs as well.
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "up\n"
        yield started
        started.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_parent(program: subprocess.Popen[str], signum: signal.Signals) -> None:
    family = descendants(program.pid)
    assert len(family) >= 6  # PostgreSQL and its workers, Kafka, the web server and its two workers
    program.send_signal(signum)
    program.wait(30)
    wait_until(lambda: not any(runs(pid) for pid in family), lambda: [pid for pid in family if runs(pid)])


def test_the_family_of_a_process_is_found() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in descendants(os.getpid())
        assert runs(child.pid)
        child.kill()
    assert not runs(child.pid)
