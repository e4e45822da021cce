"""`strangler positions list|accept`: where consumers stand in their source, and a person's word that they may go on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from outbox.connection import PsycopgConnection
from outbox.consumer.partitions.lineage import Stand, accept, stands
from outbox.told import Told
from strangler.cli.common import Invocation, audited, look_into
from strangler.cli.places import Place, as_its_role, contexts_with
from strangler.errors import RefusedError

EPILOG = """A consumer stops a partition (source_broken in its log, consumer_source_broken in its counts) when an event
is of a foreign source, or when its source falls back and the event is no repeat. Find out why first:
- two installations on one topic: give one of them an OUTBOX_TOPIC_PREFIX of its own; do not accept
- the database moved to another server or name: name both sources in OUTBOX_SOURCES; do not accept
- a server took over that lacks what the old one had sent, or a wrong position: reconcile, then accept
A PLACE is what `list` prints: CONTEXT:TOPIC/PARTITION. accept is audited in CONTEXT.quarantine_audit.
exit: 0 done, 1 refused, 2 usage, 3 PostgreSQL is down"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and what it can do."""
    what = "where consumers stand in their source; let a partition go on whose source broke"
    how = argparse.RawDescriptionHelpFormatter
    parser = subparsers.add_parser("positions", help=what, description=what, epilog=EPILOG, formatter_class=how)
    verbs = parser.add_subparsers(required=True, metavar="list | accept")
    listed = verbs.add_parser("list", help="each partition: how far its lanes are done, and up to where in the source")
    listed.add_argument("--context", metavar="NAME", help="only this context")
    listed.set_defaults(run=show_list)
    what = "let a partition go on with what its topic holds"
    accepted = verbs.add_parser("accept", help=what, description=what, epilog=EPILOG, formatter_class=how)
    accepted.add_argument("place", metavar="PLACE", type=Place.parse, help="CONTEXT:TOPIC/PARTITION")
    audited(accepted, named=True)
    accepted.set_defaults(run=run_accept)


def show_list(invocation: Invocation) -> int:
    found: list[tuple[str, Stand]] = []
    with invocation.connect() as connection:
        for context in contexts_with(connection, "position", "fence", only=invocation.args.context):
            look_into(connection, context)
            found += [(context, stand) for stand in stands(connection)]
    lines = list(_lines(found)) or ["no consumer has stored a position yet"]
    invocation.emit([{"context": context, **asdict(stand)} for context, stand in found], lines)
    return 0


def run_accept(invocation: Invocation) -> int:
    arguments = invocation.args
    place: Place = arguments.place
    with _changing(invocation, place) as connection:
        before = accept(connection, place.partition, Told(arguments.actor, arguments.reason))
        if arguments.dry_run:
            connection.rollback()
    if not before:
        raise RefusedError(f"refused: no lane of {place.context} knows a source of that partition; see positions list")
    verb = "would accept" if arguments.dry_run else "accepted"
    where = f"{place.context}:{place.partition.topic}/{place.partition.partition}"
    lines = [f"{verb} whatever comes next in {where}, on {len(before)} lanes", *_was(before)]
    if not arguments.dry_run:
        lines += ["running consumers go on within a minute", "undo: none is needed; the next event sets the source"]
    data = {"place": where, "before": [asdict(one) for one in before], "dry_run": arguments.dry_run}
    invocation.emit(data, lines)
    return 0


def _lines(found: Sequence[tuple[str, Stand]]) -> Iterator[str]:
    """A line for each partition of a group: its lowest offset, and the furthest its source has come."""
    by_place: dict[tuple[str, str, str], list[Stand]] = {}
    for context, stand in found:
        by_place.setdefault((context, stand.group_name, stand.place), []).append(stand)
    for (context, group, place), lanes in by_place.items():
        lowest = min(lane.next_offset for lane in lanes)
        furthest: dict[str, Stand] = {}
        for lane in sorted(lanes, key=lambda one: (one.lsn or 0, one.ordinal or 0)):
            if lane.source is not None:
                furthest[lane.source] = lane
        at = ", ".join(lane.at for lane in furthest.values()) or "no source yet"
        yield f"{context}:{place}  group {group}  done below {lowest}  {at}"


def _was(before: Sequence[Stand]) -> Iterator[str]:
    for lane in before:
        yield f"  group {lane.group_name} lane {lane.lane} stood at {lane.at}"


@contextmanager
def _changing(invocation: Invocation, place: Place) -> Iterator[PsycopgConnection]:
    with as_its_role("positions", place.context), invocation.connect() as connection:
        look_into(connection, place.context)
        yield connection
