"""The facade's processes: what is under way is finished, who dies is replaced, and nobody outlives the parent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from strangler.local.process import Running
from tests.integration.facade.client import ask, order
from tests.integration.facade.conftest import StartFacade
from tests.integration.family import descendants, runs
from tests.support.http_stub import HttpStub, Reply, answer
from tests.support.waiting import wait_until

GET = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"


def held(app: HttpStub) -> Reply:
    app.held.wait(30)
    return answer(200, b"done")


def test_sigterm_ends_it_when_what_is_under_way_is_answered(launch: StartFacade, app: HttpStub, key: str) -> None:
    facade = launch("--workers", "2")
    app.reply = lambda _: held(app)
    placed: list[int] = []
    placing = threading.Thread(target=lambda: placed.append(order(facade, key).status))
    placing.start()
    with (
        socket.create_connection(("127.0.0.1", facade.port or 0), timeout=30) as busy,
        socket.create_connection(("127.0.0.1", facade.port or 0), timeout=30) as idle,
    ):
        busy.sendall(GET)
        wait_until(lambda: len(app.seen) == 2)
        os.kill(facade.pid, signal.SIGTERM)
        assert idle.recv(1) == b""
        with pytest.raises(ConnectionError):
            wait_until(lambda: ask(facade, "GET", "/late").status == 0)
        app.release()
        got = busy.recv(65_536)
        assert got.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in got
    placing.join(30)
    wait_until(lambda: not facade.alive())
    assert (placed, facade.terminate(30)) == ([200], 0)


def test_a_worker_that_dies_is_replaced_and_told_of(launch: StartFacade, app: HttpStub) -> None:
    facade = launch("--workers", "2")
    wait_until(lambda: len(descendants(facade.pid)) == 2)
    os.kill(min(descendants(facade.pid)), signal.SIGKILL)
    wait_until(lambda: b'"event": "worker_ended"' in facade.said())
    wait_until(lambda: len({pid for pid in descendants(facade.pid) if runs(pid)}) == 2)
    assert ask(facade, "GET", "/").status == 200


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere nobody tells a worker")
def test_no_worker_outlives_its_parent(launch: StartFacade) -> None:
    facade = launch("--workers", "2")
    wait_until(lambda: len(descendants(facade.pid)) == 2)
    workers = descendants(facade.pid)
    os.kill(facade.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(runs, workers)))
    assert len(workers) == 2


HANGS = """
import asyncio, time
from strangler.facade.hang import end_if_it_hangs

async def main():
    end_if_it_hangs(asyncio.get_running_loop(), 1.0)
    await asyncio.sleep(3.0)  # it may take its time, if it turns
    print("turned", flush=True)
    time.sleep(600)

asyncio.run(main())
"""


def test_a_worker_that_hangs_ends_and_says_where() -> None:
    ended = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (1, "turned\n")
    assert "line 9 in main" in ended.stderr


def test_health_is_told_while_the_database_hangs(launch: StartFacade, app: HttpStub) -> None:
    """It accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        facade: Running = launch(dsn=f"host=127.0.0.1 port={silent.getsockname()[1]} dbname=x user=y password=z")
        assert ask(facade, "GET", "/-/healthz", timeout_s=5).json() == {"status": "ready", "database": "down"}
        assert ask(facade, "GET", "/elsewhere").status == 200
