"""The embedded web server: raw targets, header names, bounds, workers that are replaced or die with the master."""

from __future__ import annotations

import http.client
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from strangler.local.ports import Ports
from strangler.local.process import Answers, Running
from strangler.local.spawner import Command, Spawner
from tests.integration.family import runs
from tests.support.waiting import wait_until

PROGRAM = """
import os, sys, time
from strangler.http_server import serve

def make():
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            time.sleep(600)
        start_response("200 OK", [("Raw", environ["RAW_URI"]), ("Names", ",".join(sorted(environ)))])
        return [str(os.getpid()).encode()]
    return app

mode = sys.argv[2]
timeout_s = 3 if mode == "sync" else 30
serve(make, port=int(sys.argv[1]), sync=mode == "sync", timeout_s=timeout_s)
"""


@pytest.fixture(params=["plain"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    port, spawner = Ports().take(), Spawner()
    command = Command((sys.executable, "-c", PROGRAM, str(port), request.param), tmp_path / "server.log")
    running = Running("server", command, spawner, ready=Answers("/"), port=port)
    running.start()
    yield running
    running.kill()
    spawner.close()


def get(
    server: Running, target: str, headers: dict[str, str] | None = None, timeout_s: float = 30
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout_s)
    try:
        connection.request("GET", target, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_the_raw_target_arrives_untouched(server: Running) -> None:
    assert get(server, "/a%2Fb?c=%20")[1]["Raw"] == "/a%2Fb?c=%20"


def test_a_name_that_could_be_taken_for_another_is_dropped(server: Running) -> None:
    names = get(server, "/", {"Strangler_Ownership": "epoch=9", "PATH_INFO": "/x"})[1]["Names"].split(",")
    assert "HTTP_STRANGLER_OWNERSHIP" not in names
    assert "HTTP_PATH_INFO" not in names


def test_oversized_requests_are_refused_and_the_server_lives(server: Running) -> None:
    assert get(server, "/" + "x" * 9_000)[0] in (400, 414)
    assert get(server, "/", {"Big": "x" * 9_000})[0] in (400, 431)
    assert get(server, "/", {f"Name{number}": "x" for number in range(120)})[0] in (400, 431)
    assert get(server, "/")[0] == 200


@pytest.mark.parametrize("server", ["sync"], indirect=True)
def test_a_sync_worker_that_overruns_is_killed_and_replaced(server: Running) -> None:
    before = get(server, "/")[2]
    try:
        assert get(server, "/slow")[0] >= 500
    except (http.client.HTTPException, ConnectionError):
        assert server.alive()
    assert get(server, "/")[2] != before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere workers notice after seconds")
def test_workers_die_with_the_master(server: Running) -> None:
    worker = int(get(server, "/")[2])
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not Answers("/")(server))
    wait_until(lambda: not runs(worker))
    assert not server.alive()


def test_sigterm_ends_it_cleanly(server: Running) -> None:
    assert server.terminate(60) == 0
