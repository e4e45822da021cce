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

from strangler.local.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child of its parent's end"),
    pytest.mark.timeout(90),
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
    assert wait_until(lambda: not any(runs(pid) for pid in family), within_s=20), [pid for pid in family if runs(pid)]


def descendants(pid: int) -> set[int]:
    """All processes below `pid`, from /proc."""
    parents = {int(path.name): state_of(int(path.name))[1] for path in Path("/proc").glob("[0-9]*")}
    found, grown = {pid}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)
    return found - {pid}


def runs(pid: int) -> bool:
    """A zombie that nobody has reaped has ended."""
    return state_of(pid)[0] not in ("", "Z", "X")


def state_of(pid: int) -> tuple[str, int]:
    """State letter and parent; empty when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def test_the_family_of_a_process_is_found() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in descendants(os.getpid())
        assert runs(child.pid)
        child.kill()
    assert not runs(child.pid)
