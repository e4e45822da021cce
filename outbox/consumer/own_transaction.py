"""The transaction of a run is the consumer's: what a handler says to end it is refused before it is sent.

psycopg refuses `commit()` and `rollback()` itself. A COMMIT as SQL would keep the rows without the position: an event
would be handled twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from outbox.connection import PsycopgConnection

_QUOTED = re.compile(
    r"""\b[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*""", re.DOTALL
)
_COMMENT = re.compile(r"/\*|\*/")
_WORDS = re.compile(r"\b(?:commit|end|abort|prepare|rollback)\b", re.IGNORECASE)
_ENDS = re.compile(
    r"(?:^|;)\s*(commit|end|abort|prepare\s+transaction|rollback(?!\s+(?:work\s+|transaction\s+)?to\b))\b",
    re.IGNORECASE,
)
# A function's body in SQL has statements and an END of its own, which end nothing; its CASEs have ENDs, too.
_BODY = re.compile(
    r"(?:^|;)\s*create\s+(?:or\s+replace\s+)?(?:function|procedure)\b[^;]*?\b(begin\s+atomic)\b", re.IGNORECASE
)
_BLOCKS = re.compile(r"(?<!\.)\b(?:(begin\s+atomic|case)|(end))\b", re.IGNORECASE)
_LABEL = re.compile(r"\bas\s+$", re.IGNORECASE)  # any word may be one
KEPT_CHARACTERS = 2_000  # a longer statement has its values in it: it is read each time, and not kept


def guard(connection: PsycopgConnection) -> PsycopgConnection:
    """From now its cursors refuse what ends a transaction, with `psycopg.ProgrammingError`."""
    connection.cursor_factory = _guarded(connection.cursor_factory)  # type: ignore[arg-type] # a class is hashable
    return connection


def require_open(connection: PsycopgConnection) -> None:
    """After a handler: its transaction is the one that it was given. Asks the client, not the server."""
    match connection.pgconn.transaction_status:
        case TransactionStatus.IDLE:
            raise psycopg.ProgrammingError("the handler ended the transaction; leave that to the consumer")
        case TransactionStatus.INERROR:
            raise psycopg.errors.InFailedSqlTransaction(
                "the handler went on after an error of the database, which takes everything back; let it raise"
            )


def ending(statement: str) -> str | None:
    """What in it ends a transaction.

    >>> ending("INSERT INTO seen VALUES ('; COMMIT'); commit"), ending("ROLLBACK TO SAVEPOINT a"), ending("SELECT 1")
    ('COMMIT', None, None)
    >>> ending("CREATE FUNCTION one() RETURNS int BEGIN ATOMIC SELECT 1; END"), ending("END")
    (None, 'END')
    """
    return _found(statement) if len(statement) <= KEPT_CHARACTERS else _found.__wrapped__(statement)


@lru_cache(maxsize=1_000)
def _found(statement: str) -> str | None:
    if _WORDS.search(statement) is None:  # mostly
        return None
    found = _ENDS.search(_without_bodies(_bare(statement)))
    return None if found is None else found[1].upper()


def _bare(statement: str) -> str:
    """What is neither quoted nor a comment; comments in comments count."""
    parts, at = [], 0
    while (found := _QUOTED.search(statement, at)) is not None:
        parts.append(statement[at : found.start()])
        at = found.end() if found[0] != "/*" else _behind_comment(statement, found.end())
    return " ".join([*parts, statement[at:]])


def _behind_comment(statement: str, at: int) -> int:
    depth = 1
    for one in _COMMENT.finditer(statement, at):
        depth += 1 if one[0] == "/*" else -1
        if not depth:
            return one.end()
    return len(statement)


def _without_bodies(bare: str) -> str:
    """What stands outside of functions' bodies; all of one that does not end."""
    while (body := _BODY.search(bare)) is not None:
        depth = 0
        for one in _BLOCKS.finditer(bare, body.start(1)):
            if _LABEL.search(bare, 0, one.start()):
                continue
            depth += 1 if one[1] else -1
            if not depth:
                bare = f"{bare[: body.start(1)]} {bare[one.end() :]}"
                break
        else:
            return bare
    return bare


@cache
def _guarded(kind: type[Any]) -> type[psycopg.Cursor[Any]]:
    class Guarded(kind):  # type: ignore[misc] # whatever cursor the connection was made with
        def execute(self, query: psycopg.abc.Query, *args: Any, **named: Any) -> Any:
            self._refuse(query)
            return super().execute(query, *args, **named)

        def executemany(self, query: psycopg.abc.Query, *args: Any, **named: Any) -> None:
            self._refuse(query)
            super().executemany(query, *args, **named)

        def stream(self, query: psycopg.abc.Query, *args: Any, **named: Any) -> Iterator[Any]:
            self._refuse(query)
            yield from super().stream(query, *args, **named)

        def _refuse(self, query: psycopg.abc.Query) -> None:
            text = query if isinstance(query, str) else _text(query, self.connection)
            if (word := ending(text)) is not None:
                raise psycopg.ProgrammingError(
                    f"{word} is not the handler's: what it writes commits with the consumer's position; leave it out"
                )

    return Guarded


def _text(query: object, connection: PsycopgConnection) -> str:
    match query:
        case bytes():
            return query.decode(errors="replace")
        case sql.Composable():
            return query.as_string(connection)
        case _:  # a template string, which holds one statement with its parameters
            parts: Iterable[str] = getattr(query, "strings", ())
            return " ".join(parts)
