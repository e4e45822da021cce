"""What does the facade add to a request, beside asking the application directly, nginx and a naive facade?"""

from __future__ import annotations

import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psycopg

from benchmarks.http_load import Client
from benchmarks.peers.nginx import nginx
from benchmarks.question import Answer
from outbox import PsycopgConnection
from strangler.local import Running, Stack

PLAN = Path(__file__).resolve().parents[1] / "legacy_app" / "plan" / "plan.py"
REQUESTS, ROUNDS = 100, 8
ROWS = 1_000_000  # in the tables of claims and owners before anything is asked
TOKEN = secrets.token_hex(16)
CLIENTS, PROCESSES, LOAD_S = 8, 2, 4.0
CROWD, CROWD_ROUNDS = 1_000, 2
Ask = Callable[[Client], int]
FLOOR_GAP_S = 0.002  # between two inserts, as between two requests of one client

FILL = """
INSERT INTO strangler.ownership (subject_ref, epoch, owners)
SELECT md5('ref' || n), 0, 'epoch=0' FROM generate_series(1, %(rows)s) AS n;
INSERT INTO strangler.idempotency
    (tenant, key, fingerprint, subject_ref, state, lease_until, status, headers, body, expires_at)
SELECT 'bench', md5(n::text), '\\x00', md5('ref' || n), 'done', now(), 201, '[]', '{}', now() + interval '1 day'
FROM generate_series(1, %(rows)s) AS n;
"""


def measure(stack: Stack) -> Answer:
    """One client, rounds in turn: an owned POST (claim, pin, store) and a plain GET, on tables that are full."""
    dsn = stack.database(f"bench_{secrets.token_hex(3)}", ("outbox", "strangler"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        fill(connection)
        direct = _gunicorn(stack, "application-bench", "benchmarks.application:make_app()", "/x", {})
        proxy = nginx(stack, stack.folder / "nginx", f"127.0.0.1:{direct.port}")
        ours = _facade(stack, "facade-bench", dsn, direct.url)
        naive = _naive(stack, "naive-bench", direct.url)
        gets = in_turn([direct, ours, proxy, naive], lambda client: client.get("/x"), 200)
        posts = in_turn([direct, ours], lambda client: client.post("/orders"), 201)
        floor = durable_floor(connection)
        crowded = beside_a_crowd(ours)
        for one in (ours, naive, direct):
            one.terminate()
        fast = {
            "facade": _facade(stack, "facade-load", dsn, proxy.url),
            "naive": _naive(stack, "naive-load", proxy.url),
        }
        rates = {name: throughput(one) for name, one in fast.items()}
        for one in (*fast.values(), proxy):
            one.terminate()
    (direct_get, our_get, nginx_get, naive_get), (direct_post, our_post) = map(sorted_ms, gets), map(sorted_ms, posts)
    settings = {
        "requests": REQUESTS * ROUNDS,
        "rows": ROWS,
        "get_added_p50_ms": round(at(our_get, 0.5) - at(direct_get, 0.5), 3),
        "get_added_p99_ms": round(at(our_get, 0.99) - at(direct_get, 0.99), 3),
        "get_direct_ms": round(at(direct_get, 0.5), 3),
        "nginx_get_added_p50_ms": round(at(nginx_get, 0.5) - at(direct_get, 0.5), 3),
        "naive_get_added_p50_ms": round(at(naive_get, 0.5) - at(direct_get, 0.5), 3),
        "owned_added_p50_ms": round(at(our_post, 0.5) - at(direct_post, 0.5), 3),
        "owned_added_p99_ms": round(at(our_post, 0.99) - at(direct_post, 0.99), 3),
        "durable_floor_ms": round(floor, 3),
        "crowded_get_p99_ratio": round(crowded, 2),
        "throughput_per_s": {name: round(rate) for name, rate in rates.items()},
        "throughput_ratio_naive": round(rates["facade"] / rates["naive"], 2),
    }
    return Answer(
        "facade_overhead", "ms p50, owned POST", at(our_post, 0.5), {"direct": at(direct_post, 0.5)}, settings
    )


def fill(connection: PsycopgConnection) -> None:
    """Random keys and references, as they come; the statistics of them, and no checkpoint in what is measured."""
    cursor = psycopg.ClientCursor(connection)
    cursor.execute(FILL, {"rows": ROWS})
    cursor.execute("VACUUM ANALYZE strangler.idempotency, strangler.ownership")
    cursor.execute("CHECKPOINT")


def in_turn(servers: Sequence[Running], ask: Ask, wanted: int) -> list[list[float]]:
    """Milliseconds per request and server; A B A B, so that a drifting machine meets all alike."""
    clients = [Client.to(one.port or 0) for one in servers]
    times: list[list[float]] = [[] for _ in servers]
    for round_ in range(ROUNDS + 1):
        for place, client in enumerate(clients):
            measured = [timed(client, ask, wanted) for _ in range(REQUESTS)]
            if round_ > 0:  # the first round warms up
                times[place] += measured
    return times


def beside_a_crowd(server: Running) -> float:
    """How much longer a GET takes (p99) while a crowd sends nothing, or a head that never ends; rounds in turn."""
    argv = [sys.executable, "-m", "benchmarks.slow_crowd", str(server.port), str(CROWD), str(CROWD)]
    calm: list[float] = []
    crowded: list[float] = []
    for _ in range(CROWD_ROUNDS):
        calm += in_turn([server], lambda client: client.get("/x"), 200)[0]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as crowd:
            if crowd.stdout is None or crowd.stdout.readline() != "there\n":
                raise RuntimeError("the crowd did not come")
            crowded += in_turn([server], lambda client: client.get("/x"), 200)[0]
            crowd.communicate(timeout=30)
        if crowd.returncode:
            raise RuntimeError("the crowd was hung up on while it was measured")
    return at(sorted(crowded), 0.99) / at(sorted(calm), 0.99)


def timed(client: Client, ask: Ask, wanted: int) -> float:
    """Milliseconds of one request."""
    begun = time.perf_counter()
    status = ask(client)
    took_ms = (time.perf_counter() - begun) * 1000
    if status != wanted:
        raise RuntimeError(f"the answer was {status}, not {wanted}")
    return took_ms


def durable_floor(connection: PsycopgConnection) -> float:
    """Milliseconds of a committed insert of one row with one index, as far apart as one client's requests."""
    connection.execute("CREATE TABLE IF NOT EXISTS bench_floor (key text PRIMARY KEY, body text)")
    times = []
    for _ in range(REQUESTS * 4):
        time.sleep(FLOOR_GAP_S)
        begun = time.perf_counter()
        connection.execute("INSERT INTO bench_floor VALUES (%s, %s)", [secrets.token_hex(16), "x" * 200])
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times)


def throughput(server: Running) -> float:
    """Requests a second that so many clients get from a server whose upstream is nginx that says 200."""
    argv = [sys.executable, "-m", "benchmarks.http_load", str(server.port), "/said", str(CLIENTS // PROCESSES)]
    started = [subprocess.Popen([*argv, str(LOAD_S)], stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    said = [one.communicate(timeout=LOAD_S * 10)[0] for one in started]
    if any(one.returncode for one in started):
        raise RuntimeError(f"the clients of {server.name} failed; its log is {server.log_path}")
    return sum(map(float, said))


def sorted_ms(times: list[float]) -> list[float]:
    return sorted(times)


def at(times: Sequence[float], share: float) -> float:
    """The time that so many requests are below; `times` in order."""
    return times[min(len(times) - 1, int(len(times) * share))]


def _facade(stack: Stack, name: str, dsn: str, upstream: str) -> Running:
    environ = {
        "STRANGLER_DSN": dsn,
        "LEGACY_URL": upstream,
        "STRANGLER_PLAN": str(PLAN),
        "STRANGLER_INTERNAL_TOKEN": TOKEN,
    }
    port = stack.take_port()
    argv = [sys.executable, "-m", "strangler", "facade", "--port", str(port)]
    return stack.spawn(name, argv, env=environ, port=port, ready_path="/-/healthz")


def _naive(stack: Stack, name: str, upstream: str) -> Running:
    ready = "/x" if name == "naive-bench" else "/said"
    return _gunicorn(stack, name, "benchmarks.peers.naive_facade:make_app()", ready, {"LEGACY_URL": upstream})


def _gunicorn(stack: Stack, name: str, app: str, ready: str, environ: Mapping[str, str]) -> Running:
    port = stack.take_port()
    argv = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "16", app]
    return stack.spawn(name, argv, env=environ, port=port, ready_path=ready)
