"""`replay`, `rebuild` and `backfill`: events once more through a context, a projection made anew beside live
consumption, and the rows of orders from before the context's shadow.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import datetime
from typing import LiteralString

from new_services.services import SERVICES, Service
from new_services.wiring import Settings, connect
from outbox.connection import PsycopgConnection
from outbox.consumer.reprocessing.rebuild import Projection, first_records, rebuild
from outbox.consumer.reprocessing.replay import Passed, Replayed, replay
from outbox.kafka.port import Reader, TopicPartition
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_reader import PythonReader
from strangler.errors import BadInput, RefusedError
from strangler.pressure.lost import lost
from strangler.step.backfill import BackfillHandler, begin_anew, finish, store_watermark, watermarks
from strangler.step.rebuild import RebuildHandler

ALONE: LiteralString = "SELECT pg_try_advisory_lock(hashtextextended('projection.' || %(name)s, 0))"
SHED: LiteralString = "SELECT FROM claim WHERE step = %(step)s AND kind = 'shed' LIMIT 1"
PROJECTIONS: Mapping[str, tuple[str, ...]] = {"search": ("document",), "recommendation": ("basket", "affinity")}


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    replaying = verbs.add_parser("replay", help="send events that a context has passed through it once more")
    replaying.add_argument("name", choices=sorted(SERVICES))
    start = replaying.add_mutually_exclusive_group(required=True)
    start.add_argument("--from-start", action="store_true", help="from the first record that the topics still hold")
    start.add_argument("--from-offset", action="append", metavar="TOPIC:PARTITION:OFFSET", help="may be given again")
    start.add_argument("--from-time", metavar="ISO8601", help="such as 2026-11-20T09:00:00+00:00")
    replaying.add_argument("--order", action="append", metavar="REF", help="only this order's; may be given again")
    rebuilding = verbs.add_parser("rebuild", help="make a projection anew from its topics, and swap it in live")
    rebuilding.add_argument("name", choices=sorted(PROJECTIONS))
    backfilling = verbs.add_parser(
        "backfill", help="bring the rows of legacy's orders into a projection; goes on, run again"
    )
    backfilling.add_argument("name", choices=sorted(PROJECTIONS))
    backfilling.add_argument("--anew", action="store_true", help="from the first record again")
    for parser, act in ((replaying, run_replay), (rebuilding, run_rebuild), (backfilling, run_backfill)):
        parser.add_argument("--dry-run", action="store_true", help="do it, keep nothing, say what it would have done")
        parser.add_argument("--json", action="store_true", help="the result as a JSON object")
        parser.set_defaults(act=act)


def run_replay(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit 0, or 1 when an event was refused."""
    service = SERVICES[arguments.name]
    if not service.policy.replayable:
        raise RefusedError(f"refused: {service.name}'s policy says that it is not replayable; see its policy")
    keys = {ref.encode() for ref in arguments.order} if arguments.order else None
    with ExitStack() as stack:
        reader, connection = _open(service, settings, stack)
        passed = Passed.of(connection, settings.group_prefix + service.name, _topics(service, settings))
        starts = _starts(arguments, passed, reader, settings)
        done = replay(
            reader,
            connection,
            service.handler(settings.fault_points),
            passed,
            starts,
            keys=keys,
            dry_run=arguments.dry_run,
            progress=_progress,
        )
    return _say(done, arguments, "replayed")


def run_rebuild(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit 0, or 1 when an event was refused: its row is not in the new tables."""
    service = SERVICES[arguments.name]
    group = settings.group_prefix + service.name
    projection = Projection(service.name, PROJECTIONS[service.name], group, _topics(service, settings))
    step = service.step
    if step is None:
        raise RefusedError(f"refused: {service.name} is no step of the chain; replay it instead")
    handler = RebuildHandler(service.name, step.handler(service.name), step.apply_writes)
    with ExitStack() as stack:
        reader, connection = _open(service, settings, stack)
        _alone(connection, service)
        shed = _make_up_for_shed(service, settings, reader, connection, dry_run=arguments.dry_run)
        done = rebuild(reader, connection, projection, handler, dry_run=arguments.dry_run, progress=_progress)
    done.refused += [one for one in shed.refused if one not in done.refused]
    return _say(done, arguments, "rebuilt from")


def _make_up_for_shed(
    service: Service, settings: Settings, reader: Reader, connection: PsycopgConnection, *, dry_run: bool
) -> Replayed:
    """Replay the past where the context gave something up: then it is applied as all the rest, and rebuilt with it."""
    if connection.execute(SHED, {"step": service.name}).fetchone() is None:
        return Replayed()
    passed = Passed.of(connection, settings.group_prefix + service.name, _topics(service, settings))
    starts = {partition: reader.log_range(partition)[0] for partition in passed.lanes}
    handler = service.handler(settings.fault_points)
    return replay(reader, connection, handler, passed, starts, dry_run=dry_run, progress=_progress)


def run_backfill(arguments: argparse.Namespace, settings: Settings) -> int:
    """Exit 0, or 1 when an event was refused or waits in quarantine: its row is not there, nothing is finished."""
    service = SERVICES[arguments.name]
    step = service.step
    if step is None:
        raise RefusedError(f"refused: {service.name} is no step of the chain; its events need no backfill")
    handler = BackfillHandler(service.name, step.handler(service.name), step.apply_writes)
    with ExitStack() as stack:
        reader, connection = _open(service, settings, stack)
        _alone(connection, service)
        incarnations = _incarnations(connection, service, settings, reader)
        passed, ends = Passed.of(
            connection, settings.group_prefix + service.name, _topics(service, settings)
        ).by_all_lanes()
        if not ends:
            raise RefusedError(f"refused: {service.name} has never run, so nobody knows up to where; start it first")
        known = {} if arguments.anew else watermarks(connection, service.name, incarnations)
        unknown = Passed({one: lanes for one, lanes in passed.lanes.items() if one not in known}, passed.waiting)
        starts = {**first_records(reader, unknown), **known}
        if arguments.anew and not arguments.dry_run:
            begin_anew(connection, service.name)

        def keep(connection: PsycopgConnection, partition: TopicPartition, at: int) -> None:
            store_watermark(connection, service.name, partition, at, incarnations[partition.topic])

        done = replay(
            reader, connection, handler, passed, starts, dry_run=arguments.dry_run, progress=_progress, keep=keep
        )
        if not (done.skipped or arguments.dry_run):
            with connection.transaction():
                went_to = {one: max(at, starts[one]) for one, at in ends.items()}
                finish(connection, service.name, went_to, incarnations)
    _say(done, arguments, "backfilled from")
    return 1 if done.skipped else 0


def _incarnations(
    connection: PsycopgConnection, service: Service, settings: Settings, reader: Reader
) -> dict[str, str]:
    """Of the context's topics as they are; refused where its position is not in them: nobody knows up to where."""
    topics = _topics(service, settings)
    with closing(PythonAdmin(settings.kafka, client_id=f"{service.name}-again")) as admin:
        gone = lost(connection, settings.group_prefix + service.name, topics, admin, reader)
        if gone:
            places = ", ".join(f"{topic}/{number}" for topic, number in gone)
            raise RefusedError(
                f"refused: {service.name}'s position is not in the log of {places}, so nobody knows up to where; "
                f"reconcile, set it, then backfill"
            )
        return {topic: state.incarnation for topic, state in admin.describe(topics).items()}


def _open(service: Service, settings: Settings, stack: ExitStack) -> tuple[Reader, PsycopgConnection]:
    reader = stack.enter_context(closing(PythonReader(settings.kafka, client_id=f"{service.name}-again")))
    connection = stack.enter_context(closing(connect(settings.dsn, service.schema)))
    connection.autocommit = True
    return reader, connection


def _alone(connection: PsycopgConnection, service: Service) -> None:
    """One of its kind until the connection ends: a rebuild beside a backfill would swap its rows away."""
    row = connection.execute(ALONE, {"name": service.name}).fetchone()
    if row is None or not row[0]:
        raise RefusedError(f"refused: {service.name} is being rebuilt or backfilled already; wait for that to end")


def _topics(service: Service, settings: Settings) -> list[str]:
    return [settings.topic_prefix + topic for topic in service.topics]


def _starts(
    arguments: argparse.Namespace, passed: Passed, reader: Reader, settings: Settings
) -> dict[TopicPartition, int]:
    if arguments.from_offset:
        return dict(_place(text, passed, settings) for text in arguments.from_offset)
    if arguments.from_start:
        return {partition: reader.log_range(partition)[0] for partition in passed.lanes}
    try:
        since = datetime.fromisoformat(arguments.from_time)
    except ValueError as error:
        raise BadInput(f"--from-time {arguments.from_time!r} is no time; write 2026-11-20T09:00:00+00:00") from error
    if since.tzinfo is None:
        raise BadInput(f"--from-time {arguments.from_time} has no time zone; add +00:00 or your own")
    found = {partition: reader.offset_at(partition, round(since.timestamp() * 1000)) for partition in passed.lanes}
    return {partition: offset for partition, offset in found.items() if offset is not None}


def _place(text: str, passed: Passed, settings: Settings) -> tuple[TopicPartition, int]:
    topic, *rest = text.rsplit(":", 2)
    if not topic or len(rest) != 2 or not all(part.isdecimal() for part in rest):
        raise BadInput(f"--from-offset {text!r} is no place; write TOPIC:PARTITION:OFFSET, such as order:0:1200")
    partition = TopicPartition(settings.topic_prefix + topic, int(rest[0]))
    if partition not in passed.lanes:
        known = ", ".join(sorted({one.topic.removeprefix(settings.topic_prefix) for one in passed.lanes})) or "none yet"
        raise BadInput(f"the context has never read {topic}:{rest[0]}; it has read {known}")
    return partition, int(rest[1])


def _progress(done: Replayed) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done.dispositions.total()} events")
        sys.stderr.flush()


def _say(done: Replayed, arguments: argparse.Namespace, what: str) -> int:
    counts = {disposition.value: count for disposition, count in sorted(done.dispositions.items())}
    refused = [
        {"topic": one.topic, "partition": one.partition, "offset": at, "reason": why} for one, at, why in done.refused
    ]
    document = {"events": done.dispositions.total(), "dispositions": counts, "refused": refused}
    document |= {"quarantined": done.quarantined, "dry_run": arguments.dry_run}
    if arguments.json:
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        would = "would have " if arguments.dry_run else ""
        told = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing to do"
        sys.stdout.write(f"{would}{what} {document['events']} events: {told}\n")
        for one in refused:
            sys.stdout.write(f"refused {one['topic']}-{one['partition']}@{one['offset']}: {one['reason']}\n")
        if done.quarantined:
            sys.stdout.write(f"{done.quarantined} left alone: their keys wait in quarantine\n")
    return 1 if refused else 0
