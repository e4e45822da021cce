"""The `strangler` command: exit 0 fine, 1 finding or refusal, 2 usage, 3 a dependency is down."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

from outbox.command import guarded, modules_of
from strangler.cli.common import VALUED_FLAGS, Invocation, VerbParser, invocation_of
from strangler.errors import StranglerError

# By the module that has them. A call imports the module of its verb alone: importing all took most of its time.
VERBS: Mapping[str, tuple[str, ...]] = {
    "check": ("check",),
    "init": ("init",),
    "seam": ("seam",),
    "stages": ("status", "history", "advance", "rollback", "hand-back"),
    "authority": ("authority",),
    "choreography": ("choreography",),
    "migrate": ("migrate",),
    "run": ("run",),
    "reprocess": ("replay", "rebuild", "backfill", "snapshot"),
    "review": ("review",),
    "effects": ("effects",),
    "local": ("up", "doctor"),
    "facade": ("facade",),
    "claims": ("claims",),
    "reads": ("reads",),
    "reconcile": ("reconcile",),
    "plant": ("plant",),
    "pressure": ("pressure",),
    "policy": ("policy",),
    "admission": ("admission",),
    "admit": ("admit",),
    "mode": ("mode",),
    "topology": ("topology",),
    "consumers": ("positions", "quarantine"),
}

MAY = (
    "give the DSN of a role that may (--dsn or STRANGLER_DSN; the owner's for what changes stages or tables), "
    "or bring each process's role its rights by `strangler migrate --roles`"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code. Data goes to stdout, talk and errors to stderr."""
    invoked: list[Invocation] = []

    def run() -> int:
        given = sys.argv[1:] if argv is None else argv
        args = parser(modules_of(given, VERBS, VALUED_FLAGS)).parse_args(given)
        invoked.append(invocation_of(args, os.environ))
        return int(args.run(invoked[0]))

    def role() -> str:
        return invoked[0].role if invoked else "the connection's role"

    return guarded("strangler", run, errors=(StranglerError,), role=role, may=MAY, migrate="strangler migrate")


def parser(modules: Iterable[str] = tuple(VERBS)) -> VerbParser:
    """With the verbs of these modules, all by default."""
    top = VerbParser(prog="strangler", description="Strangle a synchronous chain step by step, and prove it.")
    subparsers = top.add_subparsers(title="verbs", dest="verb", required=True, metavar="VERB")
    for name in modules:
        import_module(f"strangler.cli.{name}").register(subparsers)
    return top
