"""`python -m new_services run | replay | rebuild | backfill NAME, review ..., plant KIND`: contexts, and faults."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from new_services import again
from new_services.fraud import cli as review
from new_services.plant import STUCK, plant
from new_services.plant_kinds import KINDS
from new_services.services import SERVICES
from new_services.wiring import read_settings, run
from outbox.errors import ConfigurationError, OutboxError
from strangler.errors import StranglerError


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 fine, 1 refusal, 2 usage, 3 a dependency is down."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.verb == "plant":
            return plant(
                arguments.kind,
                os.environ,
                order_ref=arguments.order_ref,
                seed=arguments.seed,
                as_json=arguments.json,
            )
        if arguments.verb == "review":
            return int(arguments.act(arguments))
        if arguments.verb in ("replay", "rebuild", "backfill"):
            return int(arguments.act(arguments, read_settings(os.environ, lanes=None)))
        run(SERVICES[arguments.name], read_settings(os.environ, lanes=arguments.lanes))
    except StranglerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OutboxError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, ConfigurationError) else 3
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m new_services", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    running = verbs.add_parser("run", help="run a context until SIGTERM; prints `ready NAME`")
    running.add_argument("name", choices=sorted(SERVICES))
    running.add_argument("--lanes", type=int, default=None, help="ordered lanes per partition")
    again.register(verbs)
    review.register(verbs)
    planting = verbs.add_parser("plant", help="plant a fault and print what a judge must find")
    planting.add_argument("kind", choices=[*KINDS, STUCK])
    planting.add_argument("--order-ref", help="instead of a random order; stuck_event needs it")
    planting.add_argument("--seed", type=int, help="for the same choice again")
    planting.add_argument("--json", action="store_true", help="print the fault as a JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
