"""`python -m new_services plant KIND`: plant a fault that a judge must find."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from new_services import plant
from outbox.command import CommandParser, guarded
from outbox.flags import seed
from strangler import StranglerError
from strangler.planting import STUCK


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 fine, 1 refusal, 2 usage, 3 a dependency is down."""
    return guarded("python -m new_services", lambda: _run(argv), errors=(StranglerError,), migrate="strangler migrate")


def _run(argv: Sequence[str] | None) -> int:
    parser = CommandParser(prog="python -m new_services", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    planting = verbs.add_parser("plant", help="plant a fault and print what a judge must find")
    planting.add_argument("kind", choices=[*plant.KINDS, STUCK])
    planting.add_argument("--order-ref", help="instead of a random order; stuck_event needs it")
    planting.add_argument("--seed", type=seed, help="for the same choice again")
    planting.add_argument("--json", action="store_true", help="print the fault as a JSON object")
    given = parser.parse_args(argv)
    return plant.main(given.kind, os.environ, order_ref=given.order_ref, seed=given.seed, as_json=given.json)


if __name__ == "__main__":
    sys.exit(main())
