"""`strangler replay | rebuild | backfill | snapshot NAME`: events once more through a service."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from outbox import flags
from outbox.consumer.give_way import Waits
from outbox.consumer.handler import Disposition
from outbox.consumer.reprocessing.replay import Passed, Replayed
from outbox.kafka.port import Reader, TopicPartition
from strangler.cli.common import Invocation
from strangler.cli.run import fed_by, service_of
from strangler.errors import BadInput
from strangler.service.reprocess import Reprocessing, Starts, from_start, opened
from strangler.service.settings import RunSettings

EPILOG = "exit: 0 done, 1 refused, or an event was, 2 usage, 3 PostgreSQL or Kafka is down"


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    replaying = subparsers.add_parser("replay", help="send events that a service has passed through it once more")
    start = replaying.add_mutually_exclusive_group(required=True)
    start.add_argument("--from-start", action="store_true", help="from the first record that the topics still hold")
    start.add_argument("--from-offset", action="append", metavar="TOPIC:PARTITION:OFFSET", help="may be given again")
    start.add_argument("--from-time", metavar="ISO8601", help="such as 2026-11-20T09:00:00+00:00")
    replaying.add_argument("--key", action="append", metavar="KEY", help="only this subject's; may be given again")
    rebuilding = subparsers.add_parser("rebuild", help="make a projection anew from its topics, and swap it in live")
    backfilling = subparsers.add_parser(
        "backfill", help="bring the rows of legacy's subjects into a projection; goes on, run again"
    )
    backfilling.add_argument("--anew", action="store_true", help="from the first record again")
    snapshotting = subparsers.add_parser(
        "snapshot", help="hold a service's rows against the outbox's table, and mend them beside live consumption"
    )
    snapshotting.add_argument("--subject", action="append", metavar="REF", help="only this one; may be given again")
    snapshotting.add_argument("--anew", action="store_true", help="from the first event, where one was stopped")
    verbs = (
        (replaying, run_replay),
        (rebuilding, run_rebuild),
        (backfilling, run_backfill),
        (snapshotting, run_snapshot),
    )
    for parser, run in verbs:
        parser.add_argument("name", metavar="NAME", help="a service of the plan")
        parser.add_argument("--dry-run", action="store_true", help="do it, keep nothing, say what it would have done")
        parser.add_argument(
            "--at-once", action="store_true", help="do not give way to live events that wait half their deadline"
        )
        parser.set_defaults(run=run)
        parser.epilog = EPILOG


def run_replay(invocation: Invocation) -> int:
    """Exit 0, or 1 when an event was refused."""
    keys = {key.encode() for key in invocation.args.key} if invocation.args.key else None
    with _opened(invocation) as again:
        return _say(again.replay(_starts(invocation, again), keys), invocation, "replayed")


def run_rebuild(invocation: Invocation) -> int:
    """Exit 0, or 1 when an event was refused: its row is not in the new tables."""
    with _opened(invocation) as again:
        return _say(again.rebuild(), invocation, "rebuilt from")


def run_backfill(invocation: Invocation) -> int:
    """Exit 0, or 1 when an event was refused or waits in quarantine: its row is not there, nothing is finished."""
    with _opened(invocation) as again:
        done = again.backfill(anew=invocation.args.anew)
    return _say(done, invocation, "backfilled from") or (1 if done.skipped else 0)


def run_snapshot(invocation: Invocation) -> int:
    """Exit 0, or 1 when an event was refused or waits in quarantine, or the outbox tells nothing of a subject."""
    refs, dry_run = invocation.args.subject, invocation.args.dry_run
    with _opened(invocation) as again:
        done = again.snapshot(refs, anew=invocation.args.anew)
    absent = sorted(set(refs or ()) - done.seen)
    mended, right, others = (
        done.dispositions[one] for one in (Disposition.APPLIED, Disposition.DUPLICATE, Disposition.NOT_OWNER)
    )
    refused = [{"event": str(id_), "reason": why} for id_, why in done.refused]
    counts = {"mended": mended, "right": right, "not_ours": others, "quarantined": done.quarantined}
    would = "would have mended" if dry_run else "mended"
    lines = [f"{would} the rows of {mended} events; {right} are right, {others} are not the service's"]
    lines += [f"refused event {one['event']}: {one['reason']}" for one in refused]
    lines += [f"{done.quarantined} left alone: they wait in quarantine"] if done.quarantined else []
    lines += [f"{ref}: the outbox has no event of it any more; append its present state again" for ref in absent]
    invocation.emit({**counts, "refused": refused, "absent": absent, "dry_run": dry_run}, lines)
    return 1 if refused or absent or done.quarantined else 0


@contextmanager
def _opened(invocation: Invocation) -> Iterator[Reprocessing]:
    plan = invocation.plan(services=False)
    service, settings = service_of(plan, invocation.args.name), RunSettings.from_environ(invocation.environ)
    with opened(
        service,
        settings,
        subject=plan.subject.name,
        dry_run=invocation.args.dry_run,
        progress=_progress,
        waits=None if invocation.args.at_once else partial(_waits, service.name),
        feeds=() if invocation.args.at_once else fed_by(plan, service.name, skipped=invocation.talk),
    ) as again:
        yield again


def _starts(invocation: Invocation, again: Reprocessing) -> Starts:
    arguments, prefix = invocation.args, again.settings.topic_prefix
    if arguments.from_start:
        return from_start
    if arguments.from_offset:
        return lambda passed, _: dict(_place(text, passed, prefix) for text in arguments.from_offset)
    since_ms = _milliseconds(arguments.from_time)

    def found(passed: Passed, reader: Reader) -> Mapping[TopicPartition, int]:
        offsets = {partition: reader.offset_at(partition, since_ms) for partition in passed.lanes}
        return {partition: offset for partition, offset in offsets.items() if offset is not None}

    return found


def _milliseconds(text: str) -> int:
    try:
        since = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"--from-time {text!r} is no time; write 2026-11-20T09:00:00+00:00") from error
    if since.tzinfo is None:
        raise BadInput(f"--from-time {text} has no time zone; add +00:00 or your own")
    return round(since.timestamp() * 1000)


def _place(text: str, passed: Passed, prefix: str) -> tuple[TopicPartition, int]:
    topic, *rest = text.rsplit(":", 2)
    try:
        number, offset = map(flags.whole(0), rest)
    except (ValueError, argparse.ArgumentTypeError):
        number = offset = -1
    if not topic or number < 0:
        raise BadInput(f"--from-offset {text!r} is no place; write TOPIC:PARTITION:OFFSET, such as order:0:1200")
    partition = TopicPartition(prefix + topic, number)
    if partition not in passed.lanes:
        known = ", ".join(sorted({one.topic.removeprefix(prefix) for one in passed.lanes})) or "none yet"
        raise BadInput(f"the service has never read {topic}:{rest[0]}; it has read {known}")
    return partition, offset


def _progress(done: Replayed) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done.dispositions.total()} events")
        sys.stderr.flush()


def _waits(own: str, name: str, waits: Waits | None) -> None:
    if waits is None:
        sys.stderr.write("goes on\n")
        sys.stderr.flush()
        return
    whom = "" if name == own else f" to {name}, which it feeds"
    sys.stderr.write(
        f"gives way{whom}: a live event has waited {waits.oldest_s:.0f} s; goes on below {waits.limit_s / 2:g} s "
        "(--at-once: without)\n"
    )
    sys.stderr.flush()


def _say(done: Replayed, invocation: Invocation, what: str) -> int:
    dry_run = invocation.args.dry_run
    counts = {disposition.value: count for disposition, count in sorted(done.dispositions.items())}
    refused = [
        {"topic": one.topic, "partition": one.partition, "offset": at, "reason": why} for one, at, why in done.refused
    ]
    document = {"events": done.dispositions.total(), "dispositions": counts, "refused": refused}
    document |= {"quarantined": done.quarantined, "dry_run": dry_run}
    listed = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing to do"
    lines = [f"{'would have ' if dry_run else ''}{what} {document['events']} events: {listed}"]
    lines += [f"refused {one['topic']}-{one['partition']}@{one['offset']}: {one['reason']}" for one in refused]
    lines += [f"{done.quarantined} left alone: their keys wait in quarantine"] if done.quarantined else []
    invocation.emit(document, lines)
    return 1 if done.refused else 0
