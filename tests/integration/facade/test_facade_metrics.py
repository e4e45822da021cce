"""The facade's metrics as Prometheus reads them: from workers that are several, and by names that the catalogue has."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import requests

from outbox.catalogue import Described
from strangler.facade.facade_catalogue import FACADE
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.facade.client import ORDER, ask, order
from tests.integration.facade.conftest import PLAN, StartFacade
from tests.integration.facade.shop import Shop
from tests.integration.family import descendants, runs
from tests.support.http_stub import HANG_UP, HttpStub, answer
from tests.support.waiting import wait_until

NOT_TAKEN = answer(429, b"later")
NOT_YET = {f"facade_{name}_total" for name in ("admission", "expired", "clients_evicted", "fields_dropped", "degraded")}
NOT_YET |= {"facade_lag_unread", "facade_mode", "facade_reads_total"}  # no plan here has what they are of
LABEL = re.compile(r'(\w+)="([^"]*)"')
ROUTE = "POST /orders"
EXPECTED: dict[tuple[str, tuple[str, ...]], float] = {
    ("facade_requests_total", (ROUTE, "answered", "2xx")): 1,
    ("facade_requests_total", (ROUTE, "replayed", "2xx")): 2,
    ("facade_requests_total", (ROUTE, "refused", "4xx")): 2,
    ("facade_requests_total", (ROUTE, "unknown", "5xx")): 1,
    ("facade_requests_total", (ROUTE, "not_taken", "4xx")): 1,
    ("facade_requests_total", ("other", "answered", "4xx")): 20,
    ("facade_refused_total", ("key-missing",)): 1,
    ("facade_refused_total", ("key-reused",)): 1,
    ("facade_refused_total", ("outcome-unknown",)): 1,
    ("facade_claims_total", (ROUTE, "won")): 1,
    ("facade_claims_total", (ROUTE, "replayed")): 2,
    ("facade_claims_total", (ROUTE, "other_request")): 1,
    ("facade_claims_total", (ROUTE, "unknown")): 1,
    ("facade_claims_total", (ROUTE, "released")): 1,
    ("facade_pinned_total", ("payment", "legacy")): 2,  # the released one is no longer
    ("facade_upstream_seconds_count", ("answered",)): 22,
    ("facade_request_seconds_count", (ROUTE, "replayed")): 2,
    ("facade_in_use", ("threads",)): 0,
    ("facade_in_use", ("upstream",)): 0,
    ("facade_in_use", ("clients",)): 0,
    ("facade_limit", ("threads",)): 16,
    ("facade_limit", ("upstream",)): 512,
    ("facade_limit", ("database",)): 16,
}


def scraped(address: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """By name and the values of the labels, without the process's own."""
    found = {}
    for line in requests.get(f"http://{address}/metrics", timeout=30).text.splitlines():
        if line.startswith("#"):
            continue
        series, _, value = line.rpartition(" ")
        name, _, labels = series.partition("{")
        key = name, tuple(text for label, text in LABEL.findall(labels) if label != "context")
        assert key not in found
        found[key] = float(value)
    return found


def shown(one: Described) -> str:
    return f"{one.name}_count" if one.kind == "histogram" else one.shown


def test_workers_serve_one_page_that_outlives_them(launch: StartFacade, stack: Stack, app: HttpStub, key: str) -> None:
    address = f"127.0.0.1:{stack.take_port()}"
    facade = launch("--workers", "2", metrics=address)
    app.reply = Shop(app).reply
    for _ in range(3):
        assert order(facade, key).status == 201
    assert order(facade, key, ORDER + b" ").status == 422
    assert ask(facade, "POST", "/orders", ORDER).status == 400
    assert {ask(facade, "GET", f"/any/path/{number}").status for number in range(20)} == {404}
    app.reply = lambda _: NOT_TAKEN
    assert order(facade, f"{key}-later").status == 429
    app.reply = lambda _: HANG_UP
    assert order(facade, f"{key}-lost").status == 503
    expected = dict(EXPECTED)

    def told() -> dict[tuple[str, tuple[str, ...]], float]:
        found = scraped(address)
        return {series: found.get(series, 0) for series in expected}

    wait_until(lambda: told() == expected, told)
    assert {name for name, _ in scraped(address)} >= {shown(one) for one in FACADE} - NOT_YET
    leave_in_the_middle(facade, app, lambda: scraped(address)["facade_in_use", ("upstream",)] == 1)
    expected["facade_requests_total", ("other", "answered", "2xx")] = 1
    expected["facade_upstream_seconds_count", ("answered",)] += 1
    wait_until(lambda: told() == expected, told)  # nothing stays in use
    replace_workers(facade)
    wait_until(lambda: told() == expected, told)


def leave_in_the_middle(facade: Running, app: HttpStub, counted: Callable[[], bool]) -> None:
    """An answer is under way when its client goes; the application ends it then."""

    def pieces() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
        app.held.wait(30)
        yield b"4\r\nlast\r\n" * 20_000 + b"0\r\n\r\n"

    app.reply = lambda _: pieces()
    with socket.create_connection(("127.0.0.1", facade.port or 0), timeout=30) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = b""
        while b"first" not in received:
            received += client.recv(65536)
        wait_until(counted)
    app.release()


def replace_workers(facade: Running) -> None:
    """Each is killed, and another one is forked."""
    before = descendants(facade.pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(now := {pid for pid in descendants(facade.pid) if runs(pid)}) == 2 and not now & before)


def test_a_field_without_a_name_is_counted(launch: StartFacade, stack: Stack, app: HttpStub) -> None:
    address = f"127.0.0.1:{stack.take_port()}"
    facade = launch(metrics=address)
    app.reply = lambda _: answer(200, b"x" * 10, "Bad(Name): fields have no such names")
    for _ in range(3):
        assert ask(facade, "GET", "/").body == b"x" * 10
    assert scraped(address)["facade_fields_dropped_total", ()] == 3


def test_metrics_are_no_path_of_the_facades_own(facade: Running, app: HttpStub) -> None:
    assert ask(facade, "GET", "/metrics").body == b"ok"
    assert app.seen[-1].target == "/metrics"


def test_an_address_that_is_taken_stops_the_start(stack: Stack, dsn: str) -> None:
    with socket.create_server(("127.0.0.1", stack.take_port())) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        given = {"STRANGLER_DSN": dsn, "STRANGLER_PLAN": str(PLAN), "OUTBOX_METRICS_ADDRESS": address}
        argv = [sys.executable, "-m", "strangler", "facade", "--port", str(stack.take_port())]
        argv += ["--upstream", "http://127.0.0.1:9"]
        ended = subprocess.run(argv, env=os.environ | given, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, f"{address} serves no metrics: Address already in use" in ended.stderr) == (2, True)
