"""What every verb shares: its flags, where addresses come from, and how it speaks."""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from outbox.command import CommandParser
from outbox.connection import PsycopgConnection, look_into
from outbox.settings import well_formed
from outbox.verbs.call import Call, audited
from strangler.errors import BadInput, Refused, RefusedError
from strangler.local.stack_file import NAME, StackFile
from strangler.plan import Plan, load_plan
from strangler.settings import JUDGE_DSN, Settings
from strangler.step.intents import Json

__all__ = ["VALUED_FLAGS", "Invocation", "VerbParser", "audited", "columns", "invocation_of", "look_into", "refuse"]

STACK = Path(".strangler") / NAME
VALUED_FLAGS = frozenset({"--plan", "--dsn", "--stack"})  # shared, and a word of their own follows


class VerbParser(CommandParser):
    """Every verb takes the shared flags, wherever they stand; a verb's own flag of the same name replaces one."""

    def __init__(self, **settings: Json) -> None:
        super().__init__(conflict_handler="resolve", **settings)
        group = self.add_argument_group("shared flags")
        absent = argparse.SUPPRESS  # a default here would undo what was given before the verb
        group.add_argument("--plan", metavar="FILE", default=absent, help="the plan (STRANGLER_PLAN)")
        group.add_argument("--dsn", default=absent, help="the database (STRANGLER_DSN)")
        group.add_argument("--stack", metavar="FILE", default=absent, help=f"addresses of a stack (default {STACK})")
        group.add_argument("--json", action="store_true", default=absent, help="print data as JSON")


@dataclass(frozen=True, slots=True)
class Invocation(Call):
    """One call of a verb: its arguments, and the environment with `--stack`, `--plan` and `--dsn` worked in."""

    @property
    def settings(self) -> Settings:
        return Settings.from_environ(self.environ)

    def plan(self, *, services: bool = True) -> Plan:
        """With its services loaded and judged; without, for a process that has nothing to do with them."""
        plan = load_plan(self.settings.plan)
        return plan.checked() if services else plan

    @property
    def role(self) -> str:
        """Whom the verb connects as, for people."""
        judge = self.environ.get(JUDGE_DSN) if getattr(self.args, "verb", None) == "reconcile" else None
        try:
            user = conninfo_to_dict(judge or self.environ.get("STRANGLER_DSN", "")).get("user")
        except (psycopg.ProgrammingError, UnicodeError):
            user = None
        return f"the role {user!r}" if user else "the connection's role"

    @property
    def actor(self) -> str:
        """Who, for the audit: as said, else who is logged in."""
        given: str | None = self.args.actor
        return given or self.environ.get("USER") or self.environ.get("LOGNAME") or _of_this_process()

    @property
    def dsn(self) -> str:
        """Of the main database."""
        return self.settings.required_dsn()

    @contextmanager
    def inside(self, context: str) -> Iterator[PsycopgConnection]:
        """To the main database, in autocommit, where the context's tables need no schema name."""
        with closing(self.connect()) as connection:
            connection.autocommit = True
            look_into(connection, context)
            yield connection


def _of_this_process() -> str:
    """Whose process it is; a number where that user has no name, as in many containers."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table for people, one line for each row."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def invocation_of(args: argparse.Namespace, environ: Mapping[str, str]) -> Invocation:
    """Flags win over the environment, the environment over the default stack file; a named stack file is a flag.

    Nothing of the default stack counts where another database is named: its plan and Kafka belong to its own.
    A verb that starts a stack of its own (`set_defaults(own_stack=True)`) must not find another's addresses.
    """
    merged = dict(environ)
    dsn = getattr(args, "dsn", None) or environ.get("STRANGLER_DSN")
    named = getattr(args, "stack", None)
    if named is not None:
        merged |= _addresses(Path(named), required=True)
    elif not getattr(args, "own_stack", False):
        merged = {**_of_same_database(_addresses(STACK, required=False), dsn), **merged}
    if getattr(args, "dsn", None) and _place(args.dsn) != _place(merged.get("STRANGLER_JUDGE_DSN", args.dsn)):
        del merged["STRANGLER_JUDGE_DSN"]  # the flag names another database
    for flag, name in (("plan", "STRANGLER_PLAN"), ("dsn", "STRANGLER_DSN")):
        if getattr(args, flag, None) is not None:
            merged[name] = getattr(args, flag)
    for name in ("STRANGLER_DSN", JUDGE_DSN):
        if merged.get(name):
            flag_given = name == "STRANGLER_DSN" and getattr(args, "dsn", None) is not None
            well_formed(merged[name], "--dsn" if flag_given else name)
    return Invocation(args, merged)


def _of_same_database(stack: Mapping[str, str], dsn: str | None) -> Mapping[str, str]:
    """The stack's addresses, or none; the roles of one database have DSNs of their own, so the user may differ."""
    if not stack or not dsn or _place(dsn) == _place(stack.get("STRANGLER_DSN", "")):
        return stack
    print(f"strangler: {STACK} is of another database than the one named, so nothing in it is used", file=sys.stderr)
    return {}


def _place(dsn: str) -> tuple[object, ...]:
    try:
        found = conninfo_to_dict(dsn)
    except (psycopg.ProgrammingError, UnicodeError):
        return (dsn,)
    return tuple(found.get(part) for part in ("host", "hostaddr", "port", "dbname"))


def refuse(refused: Refused) -> RefusedError:
    """A "no" that has reached the command's edge."""
    return RefusedError(f"refused: {refused.reason}; {refused.next_step}")


def _addresses(file: Path, *, required: bool) -> Mapping[str, str]:
    found = StackFile.read(file.parent) if file.name == NAME else None
    if found is None and required:
        raise BadInput(f"no running stack at {file}; start one by `strangler up`, and name its {NAME}")
    return found.environ if found is not None else {}
