"""`strangler quarantine list|inspect|fix|replay|discard`: parked events, by hand, with an actor and a reason."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from outbox.connection import PsycopgConnection
from outbox.consumer.quarantine import quarantine_admin
from outbox.consumer.quarantine.kept_headers import shown_name
from outbox.consumer.quarantine.quarantine_admin import Entry
from outbox.errors import PositionLost
from outbox.kafka.port import Record
from outbox.kafka.python_reader import PythonReader
from outbox.kafka_settings import KafkaSettings
from outbox.told import Told
from outbox.written import destination, write_whole
from strangler.cli.common import Invocation, audited, look_into
from strangler.cli.places import EventPlace, as_its_role, contexts_with
from strangler.cli.quarantine_talk import document, inspected_lines, listed_lines, shown
from strangler.cli.quarantine_wait import wait_for
from strangler.errors import BadInput, DependencyDown, RefusedError

EPILOG = """A PLACE is what `list` prints: CONTEXT:TOPIC/PARTITION@OFFSET. Changes need --actor and --reason
and are audited in CONTEXT.quarantine_audit; the role of the DSN needs UPDATE on CONTEXT.quarantine.
exit: 0 done, 1 refused or still parked, 2 usage, 3 PostgreSQL or Kafka is down"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb and what it can do."""
    parser = subparsers.add_parser(
        "quarantine",
        help="look at parked events, fix, replay or discard them",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="list | inspect | fix | replay | discard")
    listed = verbs.add_parser("list", help="what is parked, where, why and since when")
    listed.add_argument("--context", metavar="NAME", help="only this context")
    listed.add_argument("--all", action="store_true", help="also what has been resolved")
    listed.add_argument("--heads", action="store_true", help="not those that only wait behind another of their key")
    listed.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many of a context (100)")
    listed.set_defaults(run=show_list)
    _one(verbs, "inspect", inspect, "one event: why, its key, what waits behind it, its payload").add_argument(
        "--out", type=destination, metavar="FILE", help="write the payload to this file, to be changed for `fix`"
    )
    given = _changing(verbs, "fix", fix, "give what a replay is to use instead of the payload, or of headers")
    given.add_argument("--payload", type=Path, metavar="FILE", help="the new payload")
    given.add_argument("--header", action="append", metavar="NAME=VALUE", help="a header; may be given again")
    again = _changing(verbs, "replay", replay, "let the running consumer handle the event and its key's later ones")
    again.add_argument("--wait-s", type=float, default=30.0, metavar="S", help="wait so long for the end (30; 0: not)")
    _changing(verbs, "discard", discard, "end the event without an effect; what waited behind it is released")


def show_list(invocation: Invocation) -> int:
    arguments = invocation.args
    if arguments.limit < 1:
        raise BadInput(f"--limit {arguments.limit} lists nothing; give 1 or more")
    found: list[tuple[str, Entry]] = []
    with as_its_role("quarantine"), invocation.connect() as connection:
        for context in contexts_with(connection, "quarantine", "replay_requested_at", only=arguments.context):
            look_into(connection, context)
            entries = quarantine_admin.entries(
                connection, everything=arguments.all, heads=arguments.heads, limit=arguments.limit
            )
            found += [(context, entry) for entry in entries]
    invocation.emit([document(context, entry) for context, entry in found], listed_lines(found))
    return 0


def inspect(invocation: Invocation) -> int:
    place: EventPlace = invocation.args.place
    with _found(invocation) as (connection, entry):
        behind = quarantine_admin.successors(connection, entry)
        stored = quarantine_admin.stored(connection, entry)
    record = None if entry.kept else _read(invocation, place)
    value = stored["kept_value"] if entry.kept else record.value if record else None
    if invocation.args.out is not None:
        if value is None:
            raise RefusedError("refused: there is no payload to write; it is not kept and not in the log")
        write_whole(invocation.args.out, value)
    seen = shown(place.context, entry, behind, stored, record)
    invocation.emit(seen, inspected_lines(seen))
    return 0


def fix(invocation: Invocation) -> int:
    arguments = invocation.args
    if arguments.payload is None and not arguments.header:
        raise BadInput("nothing to fix it with; give --payload FILE or --header NAME=VALUE")
    value = _payload(arguments.payload) if arguments.payload is not None else None
    headers = [_header(text) for text in arguments.header] if arguments.header else None

    def change(connection: PsycopgConnection, entry: Entry) -> list[str]:
        read = None if entry.kept else _read(invocation, arguments.place)
        quarantine_admin.check_fix(connection, entry, read, value=value, headers=headers)
        quarantine_admin.fix(connection, entry, _told(invocation), value=value, headers=headers)
        given = [f"{len(value)} bytes of payload"] if value is not None else []
        given += [f"header {shown_name(name)}" for name, _ in headers or ()]
        return [f"fixed {arguments.place.context}:{entry.place} with {', '.join(given)}", "next: quarantine replay"]

    return _changed(invocation, change)


def discard(invocation: Invocation) -> int:
    def change(connection: PsycopgConnection, entry: Entry) -> list[str]:
        behind = quarantine_admin.successors(connection, entry)
        quarantine_admin.discard(connection, entry, _told(invocation))
        return [
            f"discarded {invocation.args.place.context}:{entry.place}; {len(behind)} that waited behind it go on",
            "undo: none; replay the event's subject from its source",
        ]

    return _changed(invocation, change)


def replay(invocation: Invocation) -> int:
    arguments = invocation.args
    if not 0 <= arguments.wait_s <= 3_600:
        raise BadInput(f"--wait-s {arguments.wait_s} is no waiting time; give 0 to 3600")

    def change(connection: PsycopgConnection, entry: Entry) -> list[str]:
        asked = quarantine_admin.request_replay(connection, entry, _told(invocation))
        return [f"asked for {asked} events of the key of {arguments.place.context}:{entry.place}, in their order"]

    if arguments.dry_run or not arguments.wait_s:
        return _changed(invocation, change)
    with _found(invocation) as (connection, entry):
        invocation.talk(change(connection, entry)[0])
        connection.commit()
        return wait_for(invocation, connection, arguments.place.context, entry)


def _changed(invocation: Invocation, change: Callable[[PsycopgConnection, Entry], list[str]]) -> int:
    dry_run: bool = invocation.args.dry_run
    with _found(invocation) as (connection, entry):
        lines = change(connection, entry)
        if dry_run:
            connection.rollback()
    data = document(invocation.args.place.context, entry) | {"dry_run": dry_run}
    invocation.emit(data, [f"would have {lines[0]}"] if dry_run else lines)
    return 0


@contextmanager
def _found(invocation: Invocation) -> Iterator[tuple[PsycopgConnection, Entry]]:
    place: EventPlace = invocation.args.place
    with as_its_role("quarantine", place.context), invocation.connect() as connection:
        look_into(connection, place.context)
        yield connection, quarantine_admin.find(connection, place.partition, place.offset)


def _read(invocation: Invocation, place: EventPlace) -> Record | None:
    """By its pointer; None if it is gone."""
    if not invocation.environ.get("KAFKA_BOOTSTRAP"):
        raise DependencyDown("the payload is in Kafka; set KAFKA_BOOTSTRAP, or start a stack by `strangler up`")
    kafka = KafkaSettings.from_environ(invocation.environ)
    with closing(PythonReader(kafka, client_id="strangler-quarantine")) as reader:
        try:
            records = reader.read(place.partition, place.offset, 1)
        except PositionLost:
            return None
    return records[0] if records and records[0].offset == place.offset else None


def _payload(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BadInput(f"--payload {file} cannot be read: {error.strerror}") from error


def _header(text: str) -> tuple[str, bytes]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise BadInput(f"--header {text!r} is no header; write NAME=VALUE")
    return name, value.encode("utf-8", "surrogateescape")


def _told(invocation: Invocation) -> Told:
    return Told(invocation.args.actor, invocation.args.reason)


def _one(verbs: Any, name: str, run: Callable[[Invocation], int], what: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=what, description=what)
    parser.add_argument("place", metavar="PLACE", type=EventPlace.parse, help="CONTEXT:TOPIC/PARTITION@OFFSET")
    parser.set_defaults(run=run)
    return parser


def _changing(verbs: Any, name: str, run: Callable[[Invocation], int], what: str) -> argparse.ArgumentParser:
    parser = _one(verbs, name, run, what)
    audited(parser, named=True)
    return parser
