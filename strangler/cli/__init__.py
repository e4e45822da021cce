"""The `strangler` command: exit 0 fine, 1 finding or refusal, 2 usage, 3 a dependency is down."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

import psycopg

from outbox.errors import ConfigurationError, DependencyDown, OutboxError
from strangler.cli.common import Invocation, VerbParser, invocation_of
from strangler.errors import StranglerError

VERBS = (
    "stages",
    "authority",
    "choreography",
    "migrate",
    "run",
    "reprocess",
    "review",
    "effects",
    "local",
    "facade",
    "reconcile",
    "plant",
    "pressure",
    "policy",
    "topology",
    "consumers",
)
EXIT_OF_OUTBOX: Mapping[type[Exception], int] = {ConfigurationError: 2, DependencyDown: 3}
NOT_MIGRATED = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedColumn)

MAY = (
    "give the DSN of a role that may (--dsn or STRANGLER_DSN; the owner's for what changes stages or tables), "
    "or bring each process's role its rights by `strangler migrate --roles`"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code. Data goes to stdout, talk and errors to stderr."""
    try:
        args = parser().parse_args(argv)
    except SystemExit as ended:  # argparse has said why
        return int(ended.code or 0)
    return _guarded(lambda: invocation_of(args, os.environ), args.run)


def parser() -> VerbParser:
    """All verbs. Their modules are imported here, so that `import strangler.cli` stays cheap."""
    top = VerbParser(prog="strangler", description="Strangle a synchronous chain step by step, and prove it.")
    subparsers = top.add_subparsers(title="verbs", dest="verb", required=True, metavar="VERB")
    for name in VERBS:
        import_module(f"strangler.cli.{name}").register(subparsers)
    return top


def _guarded(invocation: Callable[[], Invocation], run: Callable[[Invocation], int]) -> int:
    role = "the connection's role"
    try:
        invoked = invocation()
        role = invoked.role
        code = run(invoked)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone, as `| head` does: what python would flush at exit goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except psycopg.errors.InsufficientPrivilege as error:
        print(f"strangler: {role} may not: {_first_line(error)}; {MAY}", file=sys.stderr)
        return 2
    except (StranglerError, OutboxError, psycopg.OperationalError, *NOT_MIGRATED) as error:
        message, code = _explained(error)
        print(f"strangler: {message}", file=sys.stderr)
    return code


def _explained(error: Exception) -> tuple[str, int]:
    """What to say and the exit code. Errors of ours speak for themselves."""
    match error:
        case StranglerError():
            return str(error), error.exit_code
        case OutboxError():
            return str(error), next((code for kind, code in EXIT_OF_OUTBOX.items() if isinstance(error, kind)), 1)
        case psycopg.OperationalError():
            return f"PostgreSQL: {_first_line(error)}; check that it runs, and --dsn or STRANGLER_DSN", 3
        case _:
            return f"the database is not migrated: {_first_line(error)}; run `strangler migrate`", 3


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
