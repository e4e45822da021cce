"""One call of a verb: what it was given, where it looks, how it speaks."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from outbox.command import CommandParser
from outbox.connection import PsycopgConnection, connect
from outbox.printable import printable
from outbox.settings import dsn_of
from outbox.told import in_words

LIMITS = "-c statement_timeout=60s -c lock_timeout=10s"


@dataclass(frozen=True, slots=True)
class Call:
    """Its arguments, and the environment with the flags worked in."""

    args: argparse.Namespace
    environ: Mapping[str, str]

    @property
    def dsn(self) -> str:
        """Of the database that the verb is about."""
        return dsn_of(self.environ)

    def connect(self) -> PsycopgConnection:
        """To that database, in no transaction; every statement ends within a minute, a wait for a lock within 10 s."""
        return connect(self.dsn, LIMITS)

    def emit(self, data: Any, lines: Iterable[str]) -> None:
        """Data on stdout: JSON with `--json`, else the lines."""
        if getattr(self.args, "json", False):
            print(json.dumps(data, default=str))
            return
        for line in lines:
            print(printable(line))

    def talk(self, text: str) -> None:
        """Talk on stderr."""
        print(printable(text), file=sys.stderr, flush=True)


class VerbParser(CommandParser):
    """Every verb takes the shared flags, wherever they stand; a verb's own flag of the same name replaces one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(conflict_handler="resolve", **settings)
        group = self.add_argument_group("shared flags")
        absent = argparse.SUPPRESS  # a default here would undo what was given before the verb
        where = "the database (STRANGLER_DSN, where no other user of the machine can read it)"
        group.add_argument("--dsn", dest="STRANGLER_DSN", metavar="DSN", default=absent, help=where)
        group.add_argument("--json", action="store_true", default=absent, help="print data as JSON")


def audited(
    parser: argparse.ArgumentParser, *, dry_run: str = "say what would change, change nothing", named: bool = False
) -> None:
    """The flags of a change that is audited. `named`: nobody is taken for who it was."""
    who = f"who, for the audit{'' if named else ' (default: $USER)'}"
    parser.add_argument("--reason", required=True, type=_words, help="why, for the audit")
    parser.add_argument("--actor", required=named, type=_words, help=who)
    parser.add_argument("--dry-run", action="store_true", help=dry_run)


def _words(text: str) -> str:
    if not in_words(text):
        raise argparse.ArgumentTypeError(f"{text[:80]!r} says nothing; the audit needs words")
    return text
