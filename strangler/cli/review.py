"""`strangler review list | clear | refuse NAME`: work off what a service has decided and a person looks at later."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from outbox import flags
from outbox.connection import PsycopgConnection
from strangler.cli.common import Invocation, audited
from strangler.cli.run import service_of
from strangler.errors import RefusedError
from strangler.service.review import OpenReview, Resolution, Review, backlog, clear, refuse
from strangler.step.intents import Json


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("review", help="work off what a service has put up for review")
    verbs = parser.add_subparsers(title="verbs", dest="review_verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="open reviews, the oldest first")
    listing.add_argument("--limit", type=flags.count, default=50, help="at most so many (default 50)")
    listing.set_defaults(run=run_list)
    for name, effect in (("clear", "it was right"), ("refuse", "undo what was decided")):
        resolving = verbs.add_parser(name, help=f"resolve a review: {effect}")
        audited(resolving)
        resolving.set_defaults(run=run_resolve)
    for sub in verbs.choices.values():
        sub.add_argument("name", metavar="NAME", help="a service of the plan")
    for name in ("clear", "refuse"):
        verbs.choices[name].add_argument("ref", metavar="REF", help="what the review is about, as `list` prints it")


def run_list(invocation: Invocation) -> int:
    with _opened(invocation) as (connection, review):
        found = backlog(connection, review, limit=invocation.args.limit)
    lines = [f"{one.opened_at:%Y-%m-%d %H:%M} {one.subject_ref}{_about(one)}" for one in found]
    invocation.emit({"reviews": [_data(one) for one in found]}, lines or ["no open review"])
    return 0


def run_resolve(invocation: Invocation) -> int:
    """Exit 0, or 1 where there is no such review or its refusal is refused."""
    arguments, environ = invocation.args, invocation.environ
    said, verb = Resolution(arguments.ref, invocation.actor, arguments.reason), arguments.review_verb
    with _opened(invocation) as (connection, review), connection.transaction(force_rollback=arguments.dry_run):
        if verb == "clear" or arguments.dry_run:
            clear(connection, review, said)
        else:
            refuse(connection, review, said, environ)
    text = (
        f"{'would be ' if arguments.dry_run else ''}{'cleared' if verb == 'clear' else 'refused'}: {said.subject_ref}"
    )
    invocation.emit({"subject_ref": said.subject_ref, "resolution": verb, "dry_run": arguments.dry_run}, [text])
    return 0


@contextmanager
def _opened(invocation: Invocation) -> Iterator[tuple[PsycopgConnection, Review]]:
    service = service_of(invocation.plan(services=False), invocation.args.name)
    if service.review is None:
        raise RefusedError(f"refused: {service.name} puts nothing up for review; declare Service(review=Review(...))")
    with invocation.inside(service.schema) as connection:
        yield connection, service.review


def _about(one: OpenReview) -> str:
    return "".join(f" {name} {value}" for name, value in one.about.items())


def _data(one: OpenReview) -> dict[str, Json]:
    return {"subject_ref": one.subject_ref, "opened_at": one.opened_at.isoformat(), **one.about}
