"""`positions set`: move a group to another offset of its log, beside running consumers, who go on there."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from outbox import flags
from outbox.connection import PsycopgConnection, look_into
from outbox.consumer.partitions.lineage import Stand
from outbox.consumer.partitions.moving import Moved, fences, lanes_of, move
from outbox.errors import ConfigurationError, OutboxError
from outbox.kafka.port import TopicPartition
from outbox.kafka_settings import KafkaSettings
from outbox.told import Told
from outbox.verbs.call import Call, audited
from outbox.verbs.logs import Logs
from outbox.verbs.places import TopicPlace, as_its_role

LOOK_EVERY_S = 0.2


def register(verbs: Any, epilog: str) -> None:
    """Add it to the verbs of `positions`."""
    what = "set where a group goes on in its log; what lies between is handled again, or never"
    parser: argparse.ArgumentParser = verbs.add_parser(
        "set", help=what, description=what, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("place", metavar="PLACE", type=TopicPlace.parse, help="SCHEMA:TOPIC/PARTITION, or SCHEMA:TOPIC")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--to-offset", type=flags.whole(0), metavar="N", help="of one partition, within its log")
    where.add_argument("--to-start", action="store_true", help="the first record that the log still holds")
    where.add_argument("--to-end", action="store_true", help="behind the last one: what is there is never handled")
    where.add_argument("--to-time", type=_time, metavar="RFC3339", help="the first record not older than this")
    parser.add_argument("--group", metavar="NAME", help="where several groups keep their positions in one schema")
    parser.add_argument(
        "--wait-s", type=flags.seconds(), default=15.0, metavar="S", help="for a running consumer (15; 0: not)"
    )
    audited(parser, named=True)
    parser.set_defaults(run=run_set)


def run_set(call: Call) -> int:
    arguments = call.args
    place: TopicPlace = arguments.place
    kafka = KafkaSettings.from_environ(call.environ)
    with as_its_role("positions", place.schema), call.connect() as connection:
        look_into(connection, place.schema)
        group, seen = _lanes(connection, place, arguments.group)
        connection.commit()  # nothing is locked while Kafka is asked: running members store their positions
        with closing(Logs(kafka)) as logs:
            incarnation = logs.require(place.topic).incarnation
            targets = {partition: _target(arguments, logs, partition) for partition in seen}
        _, lanes = _lanes(connection, place, group)
        if lanes.keys() != targets.keys():
            raise OutboxError(f"refused: the partitions of {place} changed meanwhile; say it again")
        told = Told(arguments.actor, arguments.reason)
        moved = [move(connection, lanes[one], to, incarnation, told) for one, to in targets.items()]
        if arguments.dry_run:
            connection.rollback()
        else:
            connection.commit()
        taken_up = None if arguments.dry_run or not arguments.wait_s else _taken_up(call, connection, group, moved)
    data = [_data(place.schema, group, one) for one in moved]
    call.emit(
        {"moved": data, "dry_run": arguments.dry_run, "taken_up": taken_up},
        [*_lines(place.schema, group, moved, dry_run=arguments.dry_run), *_next(arguments, taken_up=taken_up)],
    )
    return 0


def _lanes(
    connection: PsycopgConnection, place: TopicPlace, group: str | None
) -> tuple[str, Mapping[TopicPartition, Sequence[Stand]]]:
    found = lanes_of(connection, place.topic, place.number, group)
    groups = sorted({name for name, _ in found})
    if not groups:
        raise OutboxError(
            f"refused: no consumer has stored a position at {place}; where a new group begins is said by its "
            "declaration (start=)"
        )
    if len(groups) > 1:
        raise ConfigurationError(f"{place} is read by the groups {', '.join(groups)}; name one with --group")
    return groups[0], {partition: lanes for (_, partition), lanes in found.items()}


def _target(arguments: argparse.Namespace, logs: Logs, partition: TopicPartition) -> int:
    if partition.partition >= logs.require(partition.topic).partitions:
        raise OutboxError(f"refused: {partition.topic} has no partition {partition.partition} any more")
    start, end = logs.range(partition)
    if arguments.to_start:
        return start
    if arguments.to_end:
        return end
    if arguments.to_time is not None:
        return logs.at_time(partition, arguments.to_time)
    to: int = arguments.to_offset
    if not start <= to <= end:
        raise OutboxError(
            f"refused: {partition.topic}/{partition.partition} holds {start} to {end}, not {to}; give one of those"
        )
    return to


def _taken_up(call: Call, connection: PsycopgConnection, group: str, moved: Sequence[Moved]) -> bool:
    """Whether running members have: who takes a partition up raises its fence."""
    deadline = time.monotonic() + call.args.wait_s
    while True:
        now = fences(connection, group)
        connection.commit()
        if all(now.get(one.partition, one.fence) > one.fence for one in moved):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_EVERY_S)


def _lines(schema: str, group: str, moved: Sequence[Moved], *, dry_run: bool) -> list[str]:
    verb = "would set" if dry_run else "set"
    return [
        f"{verb} {schema}:{one.partition.topic}/{one.partition.partition} of group {group} to {one.to}; its "
        f"{len(one.before)} lanes stood at {', '.join(str(offset) for offset in _offsets(one))}"
        for one in moved
    ]


def _next(arguments: argparse.Namespace, *, taken_up: bool | None) -> list[str]:
    if arguments.dry_run:
        return []
    undo = "undo: set it back; what was handled meanwhile is not undone"
    if taken_up is None:
        return ["a running consumer goes on there within seconds", undo]
    if taken_up:
        return ["a running consumer has taken it up", undo]
    return ["no running consumer has taken it up yet; start the consumer: it goes on there", undo]


def _offsets(one: Moved) -> list[int]:
    return sorted({lane.next_offset for lane in one.before})


def _data(schema: str, group: str, one: Moved) -> dict[str, Any]:
    place = f"{schema}:{one.partition.topic}/{one.partition.partition}"
    return {"place": place, "group": group, "from": _offsets(one), "to": one.to}


def _time(text: str) -> int:
    """In milliseconds."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 2026-11-20T09:00:00+00:00") from error
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} has no time zone; add +00:00 or your own")
    return round(at.timestamp() * 1000)
