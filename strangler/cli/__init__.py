"""The `strangler` command: exit 0 fine, 1 finding or refusal, 2 usage, 3 a dependency is down."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module

from outbox.command import guarded
from strangler.cli.common import Invocation, VerbParser, invocation_of
from strangler.errors import StranglerError

VERBS = (
    "check",
    "init",
    "seam",
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

MAY = (
    "give the DSN of a role that may (--dsn or STRANGLER_DSN; the owner's for what changes stages or tables), "
    "or bring each process's role its rights by `strangler migrate --roles`"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code. Data goes to stdout, talk and errors to stderr."""
    invoked: list[Invocation] = []

    def run() -> int:
        args = parser().parse_args(argv)
        invoked.append(invocation_of(args, os.environ))
        return int(args.run(invoked[0]))

    def role() -> str:
        return invoked[0].role if invoked else "the connection's role"

    return guarded("strangler", run, errors=(StranglerError,), role=role, may=MAY, migrate="strangler migrate")


def parser() -> VerbParser:
    """All verbs. Their modules are imported here, so that `import strangler.cli` stays cheap."""
    top = VerbParser(prog="strangler", description="Strangle a synchronous chain step by step, and prove it.")
    subparsers = top.add_subparsers(title="verbs", dest="verb", required=True, metavar="VERB")
    for name in VERBS:
        import_module(f"strangler.cli.{name}").register(subparsers)
    return top
