"""`python -m legacy_app VERB`: data on stdout, talk on stderr; exit 0 fine, 1 finding, 2 usage, 3 dependency down."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from legacy_app.cli import checks, replay, resume, servers
from strangler.errors import StranglerError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m legacy_app", description=__doc__, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for module in (servers, resume, replay, checks):
        module.register(verbs)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except StranglerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
