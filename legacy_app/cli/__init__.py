"""`python -m legacy_app VERB`: data on stdout, talk on stderr; exit 0 fine, 1 finding, 2 usage, 3 dependency down."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from outbox.command import CommandParser, guarded
from strangler.errors import StranglerError

HOMES = {
    "serve": "servers",
    "vendors": "servers",
    "replay": "replay",
    "disease": "checks",
    "invariants": "checks",
    "seams": "checks",
    "nightly": "batch",
    "demo": "demo",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code. Only what the verb needs is imported: a check need not wait for a web framework."""
    given = sys.argv[1:] if argv is None else list(argv)

    def run() -> int:
        parser = CommandParser(prog="python -m legacy_app", description=__doc__)
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        asked = [HOMES[given[0]]] if given and given[0] in HOMES else list(dict.fromkeys(HOMES.values()))
        for home in asked:
            import_module(f"legacy_app.cli.{home}").register(verbs)
        args = parser.parse_args(given)
        return int(args.run(args))

    return guarded("python -m legacy_app", run, errors=(StranglerError,), migrate="python -m migrations")
