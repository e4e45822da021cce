"""`outbox VERB`: data on stdout, talk on stderr; exit 0 fine, 1 finding, 2 usage, 3 down."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

from outbox.command import CommandParser, guarded, modules_of
from outbox.settings import described
from outbox.verbs.adding import Verb, Verbs
from outbox.verbs.call import Call, VerbParser

DSN = "STRANGLER_DSN"
# By the module that has them. A call imports the module of its verb alone: importing all took most of its time.
VERBS: Mapping[str, tuple[str, ...]] = {
    "publishing": ("relay", "partitions", "status"),
    "lag": ("lag",),
    "migrating": ("migrate",),
    "positions": ("positions",),
    "quarantine": ("quarantine",),
}
VALUED_FLAGS = frozenset({"--dsn"})


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run a verb; the exit code."""

    def run() -> int:
        words = sys.argv[1:] if argv is None else argv
        arguments = parser(modules_of(words, VERBS, VALUED_FLAGS)).parse_args(words)
        vars(arguments).setdefault("json", False)
        # A flag that stands for a variable is kept under its name.
        given = {name: value for name, value in vars(arguments).items() if name.isupper() and value is not None}
        verb: Verb = arguments.run
        return verb(Call(arguments, {**environ, **given}))

    return guarded("outbox", run)


def parser(modules: Iterable[str] = tuple(VERBS)) -> argparse.ArgumentParser:
    """With the verbs of these modules, all by default."""
    top = CommandParser(
        prog="outbox",
        description="Publish the outbox table to Kafka, and look after the consumers of its topics.",
        epilog=f"Environment:\n{described()}\n\nExit: 0 fine, 1 a finding, 2 usage or configuration, 3 not reachable.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs: Verbs = top.add_subparsers(required=True, metavar="VERB", title="verbs", parser_class=VerbParser)
    for name in modules:
        import_module(f"outbox.verbs.{name}").register(verbs)
    return top
