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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TextIO, TypeVar, cast

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
    "modules_of",
    "printable",
    "write_whole",
]

FINE, FINDING, USAGE, DOWN, INTERRUPTED = 0, 1, 2, 3, 130
EXITS = "exit: 0 fine, 1 a finding or a refusal, 2 usage, settings or rights, 3 a dependency is down"
NOT_MIGRATED = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedColumn)
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
GONE = ("08", "57P")  # sqlstates of a connection that broke, or of a server that stops or starts
IN_THE_WAY = ("55P03", "57014", "40")  # a lock or a statement took too long, a deadlock, a conflict
DISTRIBUTION = "strangler-toolkit"
MAY = "give the DSN of a role that may, by --dsn or STRANGLER_DSN"


T = TypeVar("T")


class StdoutLost(Exception):
    """What is printed cannot be written; what else a command writes is not meant."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"stdout cannot be written: {cause.strerror}; what was done before stands")
        self.reader_gone = isinstance(cause, BrokenPipeError)  # as `| head` does


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
        with _own_errors_of_stdout():
            return _ended(run)
    except KeyboardInterrupt:
        return INTERRUPTED
    except StdoutLost as lost:
        if lost.reader_gone:
            return FINDING
        text, code = str(lost), USAGE
    except Exception as error:
        said = _explained(error, (OutboxError, *errors), f"{role()} may not: {{}}; {may}", migrate)
        if said is None:
            raise
        text, code = said
    print(f"{name}: {printable(text)}", file=sys.stderr)
    return code


def modules_of(argv: Sequence[str], verbs: Mapping[str, Sequence[str]], valued_flags: Collection[str]) -> Sequence[str]:
    """The module of the verb that is called, by `verbs`; all where none is, for the help or the error that says so.

    `valued_flags`: those that may stand before the verb, and whose value is a word of its own.
    """
    words = iter(argv)
    for word in words:
        if word in valued_flags:
            next(words, None)
        elif not word.startswith("-"):
            return [module for module, its in verbs.items() if word in its] or list(verbs)
    return list(verbs)


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
        return _of_system(error, first)
    if isinstance(error, UnicodeEncodeError) and (odd := _not_text()):
        return f"{odd} is no UTF-8, so it cannot be sent; give it in UTF-8", USAGE
    return None


def _of_system(error: OSError, first: str) -> tuple[str, int]:
    place = "" if error.filename is None else f"{error.filename}: "
    if error.errno in DISK:
        return f"{place}{error.strerror}; check the disk", USAGE
    if place:
        return f"{place}{error.strerror}; check the place and its rights", USAGE
    if isinstance(error, FileNotFoundError):  # only the working folder has no name
        return "the working folder is gone; change to one that is there", USAGE
    return f"{first}; check that what it talks to runs", DOWN


def _of_postgres(error: psycopg.Error, first: str, may_not: str, migrate: str) -> tuple[str, int]:
    code, state = USAGE, error.sqlstate
    match error:
        case psycopg.errors.InsufficientPrivilege():
            said = may_not.format(first)
        case psycopg.errors.ReadOnlySqlTransaction():
            said = f"PostgreSQL only reads there: {first}; it is a replica, so give the primary's DSN"
        case psycopg.OperationalError() if state is None or state.startswith(GONE):
            said, code = f"PostgreSQL: {first}; check that it runs, and --dsn or STRANGLER_DSN", DOWN
        case psycopg.OperationalError() if state is not None and state.startswith(IN_THE_WAY):
            said, code = f"PostgreSQL: {first}; see pg_stat_activity for what is in the way, and try again", FINDING
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


@contextlib.contextmanager
def _own_errors_of_stdout() -> Iterator[None]:
    """Its own failure is raised as `StdoutLost`, in the block or at its end."""
    if (stream := sys.stdout) is None:
        yield
        return
    watched = _Stdout(stream)
    try:
        with contextlib.redirect_stdout(cast("TextIO", watched)):
            yield
    except BaseException:  # it says more than that what was printed before is lost, too
        with contextlib.suppress(StdoutLost):
            watched.flush()
        raise
    watched.flush()


class _Stdout:
    """A stream that tells its own failure from that of another file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lost = stream, False

    def write(self, text: str) -> int:
        return self._done(self._stream.write, text)

    def writelines(self, lines: Sequence[str]) -> None:
        self._done(self._stream.writelines, lines)

    def flush(self) -> None:
        if not self._lost:  # what did not fit into the buffer is gone: a second flush finds nothing wrong
            self._done(self._stream.flush)

    def _done(self, act: Callable[..., T], *given: object) -> T:
        try:
            return act(*given)
        except OSError as error:
            self._lost = True
            with contextlib.suppress(OSError, ValueError):  # what python writes at its exit goes nowhere
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            raise StdoutLost(error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _not_text() -> str:
    """Which argument or setting holds bytes that are no text; never the value behind a flag, which may be a DSN."""
    flag = ""
    for one in sys.argv[1:]:
        if _odd(one):
            return f"what follows {flag}" if flag else one.partition("=")[0]
        flag = one if one.startswith("--") and "=" not in one else ""
    return next((name for name, value in os.environ.items() if _odd(name + value)), "")


def _odd(text: str) -> bool:
    return any("\ud800" <= one <= "\udfff" for one in text)
