"""`positions show|set|accept`: where consumers stand, and a person's word on where they go on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict

from outbox.connection import PsycopgConnection, look_into
from outbox.consumer.partitions.lineage import Stand, accept, stands
from outbox.errors import OutboxError
from outbox.kafka_settings import BOOTSTRAP, KafkaSettings
from outbox.told import Told
from outbox.verbs import set_positions
from outbox.verbs.call import Call, audited
from outbox.verbs.logs import Logs
from outbox.verbs.places import Place, as_its_role, schemas_with, told_unseen

EPILOG = """A PLACE is what `show` prints: SCHEMA:TOPIC/PARTITION, and for `set` also SCHEMA:TOPIC, all its partitions.
What a stopped partition needs (its log line, or `show` with KAFKA_BOOTSTRAP set, says which it is):
- position_lost: its offset is not in the log any more, or the topic was made again: reconcile, then set
- source_broken, two installations on one topic: give one of them an OUTBOX_TOPIC_PREFIX of its own; do not accept
- source_broken, the database moved to another server or name: name both sources in OUTBOX_SOURCES; do not accept
- source_broken, a server took over that lacks what the old one had sent, or a wrong position: reconcile, then accept
A running consumer goes on by itself. Changes are audited in SCHEMA.quarantine_audit.
exit: 0 done, 1 refused, or `show` found a partition lost or a topic missing, 2 usage, 3 PostgreSQL or Kafka is down"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the verb and what it can do."""
    what = "where consumers stand; set a group's position; let a partition go on whose source broke"
    how = argparse.RawDescriptionHelpFormatter
    parser = subparsers.add_parser("positions", help=what, description=what, epilog=EPILOG, formatter_class=how)
    verbs = parser.add_subparsers(required=True, metavar="show | set | accept")
    shown = verbs.add_parser("show", help="each partition: how far its lanes are done, and up to where in the source")
    shown.add_argument("--schema", "--context", metavar="NAME", help="only this consumer's schema")
    named = "only this one, by its whole name, also where no position is stored; may be given again"
    shown.add_argument("--topic", action="append", metavar="NAME", help=named)
    shown.set_defaults(run=show)
    set_positions.register(verbs, EPILOG)
    what = "let a partition go on with what its topic holds"
    accepted = verbs.add_parser("accept", help=what, description=what, epilog=EPILOG, formatter_class=how)
    accepted.add_argument("place", metavar="PLACE", type=Place.parse, help="SCHEMA:TOPIC/PARTITION")
    audited(accepted, named=True)
    accepted.set_defaults(run=run_accept)
    return parser


def show(call: Call) -> int:
    """Also against the logs, where `KAFKA_BOOTSTRAP` is set."""
    wanted: Sequence[str] | None = call.args.topic
    found: list[tuple[str, Stand]] = []
    with as_its_role("positions"), call.connect() as connection:
        schemas = schemas_with(connection, "position", "fence", only=call.args.schema)
        for schema in schemas.readable:
            look_into(connection, schema)
            found += [(schema, stand) for stand in stands(connection) if wanted is None or stand.topic in wanted]
    topics = wanted or sorted({stand.topic for _, stand in found})
    findings = _findings(call, found, topics)
    lines = list(_lines(found, findings)) or ["no consumer has stored a position yet"]
    lines += [f"MISSING topic {name}: {why}" for name, why in findings.items() if name in (wanted or ())]
    lanes = [{"schema": schema, **asdict(one), "finding": findings.get(one.place)} for schema, one in found]
    missing = [name for name in topics if name in findings]
    call.emit({"lanes": lanes, "missing_topics": missing}, lines)
    return told_unseen(call, schemas) or (1 if findings else 0)


def run_accept(call: Call) -> int:
    arguments = call.args
    place: Place = arguments.place
    with _changing(call, place) as connection:
        before = accept(connection, place.partition, Told(arguments.actor, arguments.reason))
        if arguments.dry_run:
            connection.rollback()
    if not before:
        raise OutboxError(f"refused: no lane of {place.schema} knows a source of that partition; see positions show")
    verb = "would accept" if arguments.dry_run else "accepted"
    where = f"{place.schema}:{place.partition.topic}/{place.partition.partition}"
    lines = [f"{verb} whatever comes next in {where}, on {len(before)} lanes", *_was(before)]
    if not arguments.dry_run:
        lines += ["running consumers go on within seconds", "undo: none is needed; the next event sets the source"]
    data = {"place": where, "before": [asdict(one) for one in before], "dry_run": arguments.dry_run}
    call.emit(data, lines)
    return 0


def _findings(call: Call, found: Sequence[tuple[str, Stand]], topics: Sequence[str]) -> Mapping[str, str]:
    """What a member would find, by topic or by place; nothing where no Kafka is named."""
    if not topics or not call.environ.get(BOOTSTRAP):
        return {}
    with closing(Logs(KafkaSettings.from_environ(call.environ))) as logs:
        findings = {name: "the broker has none of that name" for name in topics if logs.incarnation(name) is None}
        for _, stand in found:
            if stand.topic not in findings and (lost := logs.lost(stand)) is not None:
                findings[stand.place] = lost
    return findings


def _lines(found: Sequence[tuple[str, Stand]], findings: Mapping[str, str]) -> Iterator[str]:
    """A line for each partition of a group: its lowest offset, and the furthest its source has come."""
    by_place: dict[tuple[str, str, str], list[Stand]] = {}
    for schema, stand in found:
        by_place.setdefault((schema, stand.group_name, stand.place), []).append(stand)
    for (schema, group, place), lanes in by_place.items():
        lowest = min(lane.next_offset for lane in lanes)
        furthest: dict[str, Stand] = {}
        for lane in sorted(lanes, key=lambda one: (one.lsn or 0, one.ordinal or 0)):
            if lane.source is not None:
                furthest[lane.source] = lane
        at = ", ".join(lane.at for lane in furthest.values()) or "no source yet"
        why = findings.get(place) or findings.get(lanes[0].topic)
        yield f"{schema}:{place}  group {group}  done below {lowest}  {at}{f'  LOST: {why}' if why else ''}"


def _was(before: Sequence[Stand]) -> Iterator[str]:
    for lane in before:
        yield f"  group {lane.group_name} lane {lane.lane} stood at {lane.at}"


@contextmanager
def _changing(call: Call, place: Place) -> Iterator[PsycopgConnection]:
    with as_its_role("positions", place.schema), call.connect() as connection:
        look_into(connection, place.schema)
        yield connection
