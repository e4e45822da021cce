"""Do clients feel it when the application that a read is compared with hangs, or is ten times slower?"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

import psycopg

from benchmarks.facade_overhead import TOKEN, at, in_turn, sorted_ms
from benchmarks.question import Answer
from strangler.local import Running, Stack

PLAN = Path(__file__).with_name("reads_plan.py")
HUNG_S, SLOW_S = 3_600.0, 0.005  # the application itself takes half a millisecond
AT_SHADOW = "INSERT INTO strangler.stage (step, kind, stage, salt) VALUES ('page', 'read', 'shadow', 's')"
COUNTED = "SELECT outcome, sum(reads)::int FROM strangler.read_count GROUP BY outcome"


def measure(stack: Stack) -> Answer:
    """One client's GETs, in turn: of a facade that compares nothing, and of two that compare with a bad candidate."""
    application = _application(stack, "application", 0.0)
    facades: dict[str, tuple[Running, str]] = {}
    counted: dict[str, dict[str, int]] = {}
    for name, delay_s in (("alone", None), ("hung", HUNG_S), ("slow", SLOW_S)):
        dsn = stack.database(f"bench_{secrets.token_hex(3)}", ("outbox", "strangler"))
        candidate = application if delay_s is None else _application(stack, f"candidate-{name}", delay_s)
        if delay_s is not None:
            with psycopg.connect(dsn) as connection:
                connection.execute(AT_SHADOW)
        facades[name] = (_facade(stack, name, dsn, application, candidate), dsn)
    times = in_turn([facade for facade, _ in facades.values()], lambda client: client.get("/x"), 200)
    alone, hung, slow = map(sorted_ms, times)
    for name, (facade, dsn) in facades.items():
        facade.terminate()
        with psycopg.connect(dsn) as connection:
            counted[name] = dict(connection.execute(COUNTED).fetchall())
    settings = {
        "requests": len(alone),
        "alone_p50_ms": round(at(alone, 0.5), 3),
        "hung_p99_moved_ms": round(at(hung, 0.99) - at(alone, 0.99), 3),
        "slow_p99_moved_ms": round(at(slow, 0.99) - at(alone, 0.99), 3),
        "hung_p50_moved_ms": round(at(hung, 0.5) - at(alone, 0.5), 3),
        "slow_p50_moved_ms": round(at(slow, 0.5) - at(alone, 0.5), 3),
        "hung_counted": counted["hung"],
        "slow_counted": counted["slow"],
    }
    return Answer("shadow_reads", "ms p99, GET", at(hung, 0.99), {"nothing compared": at(alone, 0.99)}, settings)


def _application(stack: Stack, name: str, delay_s: float) -> Running:
    port = stack.take_port()
    argv = [sys.executable, "-m", "benchmarks.slow_application", str(port), str(delay_s)]
    return stack.spawn(f"{name}-reads", argv, env={}, port=port, ready_path="/ready")


def _facade(stack: Stack, name: str, dsn: str, application: Running, candidate: Running) -> Running:
    environ = {
        "STRANGLER_DSN": dsn,
        "LEGACY_URL": application.url,
        "PAGES_URL": candidate.url,
        "STRANGLER_PLAN": str(PLAN),
        "STRANGLER_INTERNAL_TOKEN": TOKEN,
    }
    port = stack.take_port()
    argv = [sys.executable, "-m", "strangler", "facade", "--port", str(port)]
    return stack.spawn(f"facade-{name}-reads", argv, env=environ, port=port, ready_path="/-/healthz")
