"""`review list | clear ORDER | refuse ORDER`: work off the backlog of orders that were cleared with a doubt."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from contextlib import closing

import psycopg

from new_services.fraud.review import Resolution, Review, backlog, clear, refuse
from new_services.wiring import connect
from outbox.connection import PsycopgConnection
from strangler.errors import BadInput, DependencyDown
from strangler.step.intents import Json

SCHEMA = "fraud"


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    reviewing = verbs.add_parser("review", help="work off fraud's manual reviews").add_subparsers(required=True)
    listing = reviewing.add_parser("list", help="open reviews, the oldest first")
    listing.add_argument("--limit", type=int, default=50, help="at most so many (default 50)")
    listing.set_defaults(act=run_list)
    for name, effect in (("clear", "the order was good"), ("refuse", "cancel the whole order at legacy")):
        parser = reviewing.add_parser(name, help=f"resolve a review: {effect}")
        parser.add_argument("order_ref", metavar="ORDER")
        parser.add_argument("--reason", required=True, help="why, for the audit")
        parser.add_argument("--actor", help="who, for the audit (default: $USER)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")
        parser.set_defaults(act=run_resolve, resolution=name)
    for parser in reviewing.choices.values():
        parser.add_argument("--json", action="store_true", help="the result as a JSON object")


def run_list(arguments: argparse.Namespace) -> int:
    with closing(_connect(os.environ)) as connection:
        reviews = backlog(connection, limit=arguments.limit)
    lines = [f"{each.opened_at:%Y-%m-%d %H:%M} score {each.score} order {each.order_ref}" for each in reviews]
    _say(arguments, {"reviews": [_data(each) for each in reviews]}, "\n".join(lines) or "no open review")
    return 0


def run_resolve(arguments: argparse.Namespace) -> int:
    """Exit 0, or 1 where there is no such review or legacy refuses to cancel."""
    actor = arguments.actor or os.environ.get("USER") or os.environ.get("LOGNAME") or "unknown"
    said = Resolution(arguments.order_ref, actor, arguments.reason)
    with closing(_connect(os.environ)) as connection, connection.transaction(force_rollback=arguments.dry_run):
        if arguments.resolution == "clear" or arguments.dry_run:
            clear(connection, said)
        else:
            refuse(connection, said, _given(os.environ, "LEGACY_URL"))
    verdict = {"clear": "cleared", "refuse": "refused, and cancelled at legacy"}[arguments.resolution]
    text = f"{'would be ' if arguments.dry_run else ''}{verdict}: order {said.order_ref}"
    data = {"order_ref": said.order_ref, "resolution": arguments.resolution, "dry_run": arguments.dry_run}
    _say(arguments, data, text)
    return 0


def _data(review: Review) -> dict[str, Json]:
    return {
        "order_ref": review.order_ref,
        "score": review.score,
        "opened_at": review.opened_at.isoformat(),
        "total_minor": review.order["total_minor"],
    }


def _connect(environ: Mapping[str, str]) -> PsycopgConnection:
    try:
        return connect(_given(environ, "STRANGLER_DSN"), SCHEMA)
    except psycopg.OperationalError as error:
        raise DependencyDown("PostgreSQL does not answer; check STRANGLER_DSN") from error


def _given(environ: Mapping[str, str], name: str) -> str:
    if not environ.get(name):
        raise BadInput(f"{name} is not set; `strangler up` prints it")
    return environ[name]


def _say(arguments: argparse.Namespace, data: Mapping[str, Json], text: str) -> None:
    sys.stdout.write((json.dumps(data) if arguments.json else text) + "\n")
