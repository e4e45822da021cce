"""What does the facade add to a request, beside asking the application directly?"""

from __future__ import annotations

import http.client
import json
import secrets
import statistics
import sys
import time
from pathlib import Path

from benchmarks.question import Answer
from strangler.local import Stack

PLAN = Path(__file__).resolve().parents[1] / "legacy_app" / "plan" / "plan.py"
REQUESTS, ROUNDS = 150, 6
BODY = json.dumps({"client_ref": "c", "lines": [{"sku": str(n), "quantity": 1} for n in range(5)]}).encode()


def measure(stack: Stack) -> Answer:
    """Median of one kept-alive connection, rounds in turn: an owned POST (claim, pin, store) and a plain GET."""
    dsn = stack.database(f"bench_{secrets.token_hex(3)}", ("outbox", "strangler"))
    at = stack.take_port()
    application = ["--bind", f"127.0.0.1:{at}", "--threads", "16", "benchmarks.application:make_app()"]
    argv = [sys.executable, "-m", "gunicorn", *application]
    direct = stack.spawn("application-bench", argv, env={}, port=at, ready_path="/x")
    environ = {"STRANGLER_DSN": dsn, "LEGACY_URL": direct.url, "STRANGLER_PLAN": str(PLAN)}
    port = stack.take_port()
    argv = [sys.executable, "-m", "strangler", "facade", "--port", str(port)]
    facade = stack.spawn("facade-bench", argv, env=environ, port=port, ready_path="/-/healthz")
    ports = [direct.port or 0, facade.port or 0]
    direct_ms, owned_ms = (statistics.median(times) for times in in_turn(ports, "POST", "/orders"))
    get_direct_ms, get_ms = (statistics.median(times) for times in in_turn(ports, "GET", "/x"))
    facade.terminate()
    direct.terminate()
    settings = {"requests": REQUESTS * ROUNDS, "get_direct_ms": round(get_direct_ms, 3), "get_ms": round(get_ms, 3)}
    return Answer("facade_overhead", "ms p50, owned POST", owned_ms, {"direct": direct_ms}, settings)


def in_turn(ports: list[int], method: str, path: str) -> list[list[float]]:
    """Milliseconds per request and port; A B A B, so that a drifting machine meets both alike."""
    times: list[list[float]] = [[] for _ in ports]
    for round_ in range(ROUNDS + 1):
        for at, port in enumerate(ports):
            measured = ask(port, method, path)
            if round_ > 0:  # the first round warms up
                times[at] += measured
    return times


def ask(port: int, method: str, path: str) -> list[float]:
    """One connection, one request after the other, each with a key of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    times = []
    for _ in range(REQUESTS):
        headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(8)}
        begun = time.perf_counter()
        connection.request(method, path, BODY if method == "POST" else None, headers)
        answer = connection.getresponse()
        answer.read()
        times.append((time.perf_counter() - begun) * 1000)
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path} at port {port} answered {answer.status}")
    connection.close()
    return times
