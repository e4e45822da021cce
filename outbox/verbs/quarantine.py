"""`quarantine list|inspect|fix|replay|discard`: parked events, by hand, with an actor and a reason."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from outbox import flags
from outbox.connection import PsycopgConnection, look_into
from outbox.consumer.quarantine import quarantine_admin
from outbox.consumer.quarantine.kept_headers import shown_name
from outbox.consumer.quarantine.quarantine_admin import Entry
from outbox.errors import ConfigurationError, DependencyDown, OutboxError, PositionLost
from outbox.kafka.port import Record
from outbox.kafka.python_reader import PythonReader
from outbox.kafka_settings import KafkaSettings
from outbox.told import Told
from outbox.verbs.call import Call, audited
from outbox.verbs.places import EventPlace, as_its_role, schemas_with, told_unseen
from outbox.verbs.quarantine_talk import document, inspected_lines, listed_lines, shown
from outbox.verbs.quarantine_wait import wait_for
from outbox.written import destination, write_whole

EPILOG = """A PLACE is what `list` prints: SCHEMA:TOPIC/PARTITION@OFFSET. Changes need --actor and --reason
and are audited in SCHEMA.quarantine_audit; the role of the DSN needs UPDATE on SCHEMA.quarantine.
exit: 0 done, 1 refused or still parked, 2 usage, 3 PostgreSQL or Kafka is down"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the verb and what it can do."""
    parser = subparsers.add_parser(
        "quarantine",
        help="look at parked events, fix, replay or discard them",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="list | inspect | fix | replay | discard")
    listed = verbs.add_parser("list", help="what is parked, where, why and since when")
    listed.add_argument("--schema", "--context", metavar="NAME", help="only this consumer's schema")
    listed.add_argument("--all", action="store_true", help="also what has been resolved")
    listed.add_argument("--heads", action="store_true", help="not those that only wait behind another of their key")
    listed.add_argument("--limit", type=flags.count, default=100, metavar="N", help="at most so many of a schema (100)")
    listed.set_defaults(run=show_list)
    _one(verbs, "inspect", inspect, "one event: why, its key, what waits behind it, its payload").add_argument(
        "--out", type=destination, metavar="FILE", help="write the payload to this file, to be changed for `fix`"
    )
    given = _changing(verbs, "fix", fix, "give what a replay is to use instead of the payload, or of headers")
    given.add_argument("--payload", type=Path, metavar="FILE", help="the new payload")
    given.add_argument("--header", action="append", metavar="NAME=VALUE", help="a header; may be given again")
    again = _changing(verbs, "replay", replay, "let the running consumer handle the event and its key's later ones")
    again.add_argument(
        "--wait-s", type=flags.seconds(), default=30.0, metavar="S", help="wait so long for the end (30; 0: not)"
    )
    _changing(verbs, "discard", discard, "end the event without an effect; what waited behind it is released")
    return parser


def show_list(call: Call) -> int:
    arguments = call.args
    found: list[tuple[str, Entry]] = []
    with as_its_role("quarantine"), call.connect() as connection:
        schemas = schemas_with(connection, "quarantine", "replay_requested_at", only=arguments.schema)
        for schema in schemas.readable:
            look_into(connection, schema)
            entries = quarantine_admin.entries(
                connection, everything=arguments.all, heads=arguments.heads, limit=arguments.limit
            )
            found += [(schema, entry) for entry in entries]
    call.emit([document(schema, entry) for schema, entry in found], listed_lines(found))
    return told_unseen(call, schemas)


def inspect(call: Call) -> int:
    place: EventPlace = call.args.place
    with _found(call) as (connection, entry):
        behind = quarantine_admin.successors(connection, entry)
        stored = quarantine_admin.stored(connection, entry)
    record = None if entry.kept else _read(call, place)
    value = stored["kept_value"] if entry.kept else record.value if record else None
    if call.args.out is not None:
        if value is None:
            raise OutboxError("refused: there is no payload to write; it is not kept and not in the log")
        write_whole(call.args.out, value)
    seen = shown(place.schema, entry, behind, stored, record)
    call.emit(seen, inspected_lines(seen))
    return 0


def fix(call: Call) -> int:
    arguments = call.args
    if arguments.payload is None and not arguments.header:
        raise ConfigurationError("nothing to fix it with; give --payload FILE or --header NAME=VALUE")
    value = _payload(arguments.payload) if arguments.payload is not None else None
    headers = [_header(text) for text in arguments.header] if arguments.header else None

    def change(connection: PsycopgConnection, entry: Entry) -> list[str]:
        read = None if entry.kept else _read(call, arguments.place)
        quarantine_admin.check_fix(connection, entry, read, value=value, headers=headers)
        quarantine_admin.fix(connection, entry, _told(call), value=value, headers=headers)
        given = [f"{len(value)} bytes of payload"] if value is not None else []
        given += [f"header {shown_name(name)}" for name, _ in headers or ()]
        return [f"fixed {arguments.place.schema}:{entry.place} with {', '.join(given)}", "next: quarantine replay"]

    return _changed(call, change)


def discard(call: Call) -> int:
    def change(connection: PsycopgConnection, entry: Entry) -> list[str]:
        behind = quarantine_admin.successors(connection, entry)
        quarantine_admin.discard(connection, entry, _told(call))
        return [
            f"discarded {call.args.place.schema}:{entry.place}; {len(behind)} that waited behind it go on",
            "undo: none; replay the event's subject from its source",
        ]

    return _changed(call, change)


def replay(call: Call) -> int:
    arguments = call.args

    def change(connection: PsycopgConnection, entry: Entry) -> list[str]:
        asked = quarantine_admin.request_replay(connection, entry, _told(call))
        return [f"asked for {asked} events of the key of {arguments.place.schema}:{entry.place}, in their order"]

    if arguments.dry_run or not arguments.wait_s:
        return _changed(call, change)
    with _found(call) as (connection, entry):
        call.talk(change(connection, entry)[0])
        connection.commit()
        return wait_for(call, connection, arguments.place.schema, entry)


def _changed(call: Call, change: Callable[[PsycopgConnection, Entry], list[str]]) -> int:
    dry_run: bool = call.args.dry_run
    with _found(call) as (connection, entry):
        lines = change(connection, entry)
        if dry_run:
            connection.rollback()
    data = document(call.args.place.schema, entry) | {"dry_run": dry_run}
    call.emit(data, [f"would have {lines[0]}"] if dry_run else lines)
    return 0


@contextmanager
def _found(call: Call) -> Iterator[tuple[PsycopgConnection, Entry]]:
    place: EventPlace = call.args.place
    with as_its_role("quarantine", place.schema), call.connect() as connection:
        look_into(connection, place.schema)
        yield connection, quarantine_admin.find(connection, place.partition, place.offset, call.args.group)


def _read(call: Call, place: EventPlace) -> Record | None:
    """By its pointer; None if it is gone."""
    if not call.environ.get("KAFKA_BOOTSTRAP"):
        raise DependencyDown("the payload is in Kafka; set KAFKA_BOOTSTRAP")
    kafka = KafkaSettings.from_environ(call.environ)
    with closing(PythonReader(kafka, client_id="outbox-quarantine")) as reader:
        try:
            records = reader.read(place.partition, place.offset, 1)
        except PositionLost:
            return None
    return records[0] if records and records[0].offset == place.offset else None


def _payload(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"--payload {file} cannot be read: {error.strerror}") from error


def _header(text: str) -> tuple[str, bytes]:
    name, separator, value = text.partition("=")
    if not (name and separator):
        raise ConfigurationError(f"--header {text!r} is no header; write NAME=VALUE")
    return name, value.encode("utf-8", "surrogateescape")


def _told(call: Call) -> Told:
    return Told(call.args.actor, call.args.reason)


def _one(verbs: Any, name: str, run: Callable[[Call], int], what: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=what, description=what)
    parser.add_argument("place", metavar="PLACE", type=EventPlace.parse, help="SCHEMA:TOPIC/PARTITION@OFFSET")
    parser.add_argument("--group", metavar="NAME", help="where several groups keep their tables in one schema")
    parser.set_defaults(run=run)
    return parser


def _changing(verbs: Any, name: str, run: Callable[[Call], int], what: str) -> argparse.ArgumentParser:
    parser = _one(verbs, name, run, what)
    audited(parser, named=True)
    return parser
