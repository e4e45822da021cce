"""`nightly`: the batch that collides with the day's orders."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from sqlalchemy.orm import Session

from legacy_app.cli.checks import add, emit
from legacy_app.environ import needed
from legacy_app.monolith.models import make_engine
from legacy_app.monolith.nightly import run_nightly
from outbox.flags import seconds

MAX_HOLD_S = 600.0


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    batch = add(verbs, "nightly", "run the nightly batch: it holds all stock until it is done", nightly)
    batch.add_argument(
        "--hold-s",
        type=seconds(0.0, MAX_HOLD_S),
        default=0.0,
        metavar="S",
        help="how much longer it takes (default 0)",
    )


def nightly(args: argparse.Namespace) -> int:
    with Session(make_engine(needed("STRANGLER_DSN"))) as session, session.begin():
        settled = run_nightly(session, hold_s=args.hold_s)
    emit(args, asdict(settled))
    return 0
