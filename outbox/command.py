"""The edge of every command of ours: what ends it, in which words and with which exit code. No traceback for bad input.

0 fine, 1 a finding or a refusal, 2 what the user has to change (usage, settings, rights, a database that is not
migrated, a place that cannot be written), 3 what does not answer, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psycopg

from outbox.errors import OutboxError
from outbox.printable import printable
from outbox.written import destination, write_whole

__all__ = [
    "DOWN",
    "FINDING",
    "FINE",
    "INTERRUPTED",
    "USAGE",
    "CommandParser",
    "destination",
    "guarded",
    "printable",
    "write_whole",
]

FINE, FINDING, USAGE, DOWN, INTERRUPTED = 0, 1, 2, 3, 130
EXITS = "exit: 0 fine, 1 a finding or a refusal, 2 usage, settings or rights, 3 a dependency is down"
NOT_MIGRATED = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedColumn)
# Of writing to what has no name here: other files that are written are named.
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
DISTRIBUTION = "strangler-toolkit"
MAY = "give the DSN of a role that may, by --dsn or STRANGLER_DSN"


def guarded(
    name: str,
    run: Callable[[], int],
    *,
    errors: tuple[type[Exception], ...] = (),
    role: Callable[[], str] = lambda: "the connection's role",
    may: str = MAY,
    migrate: str = "outbox migrate (a consumer's tables: outbox migrate --consumer SCHEMA)",
) -> int:
    """Run a command; its exit code. `errors` beside ours say what happened in `str`, and have an `exit_code`.

    `role`: whom it connects as; `may`, `migrate`: what to do where that role may not, or the tables are not there.
    """
    _take_any_text()
    try:
        code = _ended(run)
        _flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if (lost := _stdout_is_lost(error)) is not None:
            return _without_stdout(name, lost)
        said = _explained(error, (OutboxError, *errors), f"{role()} may not: {{}}; {may}", migrate)
        if said is None:
            raise
        text, code = said
        print(f"{name}: {printable(text)}", file=sys.stderr)
    return code


class CommandParser(argparse.ArgumentParser):
    """Of a command and of each of its verbs: takes `--version`, no abbreviations, and its help ends with exit codes."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)
        self.add_argument("--version", action=_Version, help="print the version and end")

    def format_help(self) -> str:
        text = super().format_help()
        return text if "exit:" in text.lower() else f"{text}\n{EXITS}\n"

    def _print_message(self, message: str, file: Any = None) -> None:
        """argparse keeps to itself that it cannot be written."""
        if message:
            (file or sys.stderr).write(message)


class _Version(argparse._VersionAction):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        try:
            print(DISTRIBUTION, version(DISTRIBUTION))
        except PackageNotFoundError:
            print(DISTRIBUTION, "of no version: run from its source, not installed")
        parser.exit()


def _ended(run: Callable[[], int]) -> int:
    try:
        return run()
    except SystemExit as ended:  # argparse has said why
        return ended.code if isinstance(ended.code, int) else FINE if ended.code is None else FINDING


def _explained(
    error: Exception, errors: tuple[type[Exception], ...], may_not: str, migrate: str
) -> tuple[str, int] | None:
    """What to say and the exit code; None for a fault of ours, which shows its place."""
    error = getattr(error, "orig", None) or error  # as SQLAlchemy wraps a driver's
    if isinstance(error, errors):
        return str(error), getattr(error, "exit_code", FINDING)
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if isinstance(error, psycopg.Error):
        return _of_postgres(error, first, may_not, migrate)
    if isinstance(error, OSError):
        place = error.filename
        if place is not None:
            return f"{place}: {error.strerror}; check the place and its rights", USAGE
        if isinstance(error, FileNotFoundError):  # only the working folder has no name
            return "the working folder is gone; change to one that is there", USAGE
        return f"{first}; check that what it talks to runs", DOWN
    return None


def _of_postgres(error: psycopg.Error, first: str, may_not: str, migrate: str) -> tuple[str, int]:
    code = USAGE
    match error:
        case psycopg.errors.InsufficientPrivilege():
            said = may_not.format(first)
        case psycopg.errors.ReadOnlySqlTransaction():
            said = f"PostgreSQL only reads there: {first}; it is a replica, so give the primary's DSN"
        case psycopg.OperationalError():
            said, code = f"PostgreSQL: {first}; check that it runs, and --dsn or STRANGLER_DSN", DOWN
        case _ if isinstance(error, NOT_MIGRATED):
            said = f"the database is not migrated: {first}; run: {migrate}"
        case psycopg.ProgrammingError() if error.sqlstate is None:  # its text may hold half a password
            said = "a DSN cannot be read; write postgresql://user@host:port/database"
        case _:
            said = f"PostgreSQL refuses: {first}; check the database and the role's rights"
    return said, code


def _take_any_text() -> None:
    """What the terminal's encoding lacks is written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _stdout_is_lost(error: Exception) -> OSError | None:
    """Why, where what was printed cannot be written. What python would write at its exit goes nowhere then.

    What did not fit into the buffer is gone with the error: then a flush finds nothing wrong.
    """
    lost = error if isinstance(error, OSError) and error.filename is None and error.errno in UNWRITABLE else None
    try:
        _flush()
    except OSError as again:
        lost = again
    if lost is not None:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return lost


def _without_stdout(name: str, error: OSError) -> int:
    if isinstance(error, BrokenPipeError):  # the reader has gone, as `| head` does
        return FINDING
    print(f"{name}: stdout cannot be written: {error.strerror}; what was done before stands", file=sys.stderr)
    return USAGE
