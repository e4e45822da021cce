"""The libraries connect in one way, `outbox.connection.connect`: with limits, a timeout, and what the DSN says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OTHERWISE = {
    "outbox/connection.py": "the one way",
    "outbox/relay/wal.py": "to replicate",
    "strangler/facade/brief.py": "it looks every second, and a server that falls silent is given up sooner",
    "strangler/facade/loop_connection.py": "a server that falls silent is given up sooner",
    "strangler/local/postgres.py": "whether a server that starts answers yet",
    "strangler/service/shedding.py": "an answer that is late is a no",
}


def connects(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Name(id="psycopg") | ast.Attribute(value=ast.Name(id="psycopg")), attr="connect"
                )
            ):
                yield node.lineno


def test_nobody_else_connects() -> None:
    found = {
        str(path.relative_to(ROOT)): list(connects(ast.parse(path.read_text())))
        for library in ("outbox", "strangler")
        for path in sorted((ROOT / library).rglob("*.py"))
    }
    assert {path for path, lines in found.items() if lines} == OTHERWISE.keys(), "use outbox.connection.connect"


def test_the_look_sees_a_call_and_no_example() -> None:
    assert list(connects(ast.parse('"""psycopg.connect(dsn)"""\nwith psycopg.connect(dsn) as one: pass'))) == [2]
    assert list(connects(ast.parse("async def f(): await psycopg.AsyncConnection.connect(dsn)"))) == [1]
