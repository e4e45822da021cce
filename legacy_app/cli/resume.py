"""`resume`: go on with pending orders when their outcomes come."""

from __future__ import annotations

import argparse
import os

from legacy_app.resume.run import read_settings, run
from outbox.errors import ConfigurationError, OutboxError
from strangler.errors import BadInput, DependencyDown


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "resume",
        help="go on with pending orders until SIGTERM (STRANGLER_DSN, KAFKA_BOOTSTRAP, VENDORS_URL)",
        description="Stores the new side's outcomes and runs what is left of pending orders; prints `ready resume`.",
    )
    parser.set_defaults(run=resume)


def resume(_args: argparse.Namespace) -> int:
    try:
        run(read_settings(os.environ))
    except ConfigurationError as error:
        raise BadInput(str(error)) from error
    except OutboxError as error:
        raise DependencyDown(str(error)) from error
    return 0
