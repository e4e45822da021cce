"""`outbox VERB`: data on stdout, talk on stderr; exit 0 fine, 1 finding, 2 usage, 3 down."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from outbox import partitions
from outbox.catalogue import RELAY, SLOT
from outbox.command import FINDING, FINE, CommandParser, guarded
from outbox.fault_points import FaultPoints
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader
from outbox.lag_cli import add_flags as add_lag_flags
from outbox.lag_cli import lag
from outbox.metrics import Counters, address_of, served
from outbox.migrate_cli import add_flags, migrate
from outbox.relay import slot
from outbox.relay.gauges import SlotGauges, read_slot
from outbox.relay.loop import Kafka, RelayLoop
from outbox.relay.upkeep import ALARM_BELOW_DAYS
from outbox.settings import RelaySettings, days_ahead_of, described
from outbox.telemetry import log_to_stderr
from outbox.verbs import positions, quarantine
from outbox.verbs.call import Call, VerbParser

# Flags of the same name as their variable. Kafka's address and secrets only come from the environment: others can read
# our arguments, also a password in --dsn.
FLAGS = ("OUTBOX_SLOT", "OUTBOX_TOPIC_PREFIX", "OUTBOX_SOURCES", "OUTBOX_DAYS_AHEAD", "OUTBOX_SKIP_EXISTING")
DSN = "STRANGLER_DSN"
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Verb = Callable[[Call], int]


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run a verb; the exit code."""

    def run() -> int:
        arguments = _parser().parse_args(argv)
        vars(arguments).setdefault("json", False)
        given = {name: value for name in (*FLAGS, DSN) if (value := getattr(arguments, name, None)) is not None}
        verb: Verb = arguments.run
        return verb(Call(arguments, {**environ, **given}))

    return guarded("outbox", run)


def relay(call: Call) -> int:
    environ = call.environ
    settings = RelaySettings.from_environ(environ)
    log_to_stderr()
    counters, at = Counters({"context": "relay"}, (*RELAY, *SLOT)), settings.kafka
    counters.source(SlotGauges(partial(read_slot, settings.dsn, settings.slot)))
    clients = Kafka(partial(PythonProducer, at), partial(PythonAdmin, at), partial(PythonReader, at))
    running = RelayLoop(
        settings,
        clients,
        fault_points=FaultPoints.from_environ(environ),
        on_streaming=lambda: print("ready relay", flush=True),
        observe=counters.observe,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.stop())
    with served(counters, address_of(environ)):
        running.run()
    return FINE


def make_partitions(call: Call) -> int:
    arguments, days = call.args, days_ahead_of(call.environ)
    with call.connect() as connection:
        made = partitions.ensure(connection, days_ahead=days)
        ahead = partitions.days_ahead(connection)
        if arguments.dry_run:
            connection.rollback()
    verb = "would make" if arguments.dry_run else "made"
    lines = [f"{verb} outbox.{name}; undo: DROP TABLE outbox.{name}" for name in made]
    call.emit(
        {"made": made, "days_ahead": ahead, "dry_run": arguments.dry_run},
        [*lines, f"days ahead: {ahead}"],
    )
    return FINE


def status(call: Call) -> int:
    name = call.environ.get("OUTBOX_SLOT", "outbox")
    with call.connect() as connection:
        found = slot.inspect(connection, name)
        ahead = partitions.days_ahead(connection)
    findings = _findings(name, found, ahead)
    data = {
        "slot": name,
        "exists": found is not None,
        "active": found is not None and found.active,
        "wal_status": found.wal_status if found else None,
        "confirmed_lsn": _lsn_text(found.confirmed_lsn if found else None),
        "lag_bytes": found.lag_bytes if found else None,
        "kept_bytes": found.kept_bytes if found else None,
        "safe_bytes": found.safe_bytes if found else None,
        "partitions_ahead_days": ahead,
        "findings": findings,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    call.emit(data, [f"{key}: {value}" for key, value in data.items() if key != "findings"] + findings)
    return FINDING if findings else FINE


def _findings(name: str, found: slot.SlotState | None, ahead: int) -> list[str]:
    findings = []
    if found is None:
        findings.append(f"there is no slot {name!r}; start the relay: outbox relay")
    elif found.wal_status == "lost":
        findings.append(f"slot {name!r} is lost: events were thrown away unpublished; outbox relay says what to do")
    elif not found.active:
        findings.append(f"nobody reads slot {name!r}; start the relay: outbox relay")
    if ahead < ALARM_BELOW_DAYS:
        findings.append(f"partitions exist for {ahead} days ahead; run: outbox partitions")
    return findings


def _lsn_text(lsn: int | None) -> str | None:
    return None if lsn is None else f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="outbox",
        description="Publish the outbox table to Kafka, and look after the consumers of its topics.",
        epilog=f"Environment:\n{described()}\n\nExit: 0 fine, 1 a finding, 2 usage or configuration, 3 not reachable.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs: Verbs = parser.add_subparsers(required=True, metavar="VERB", title="verbs", parser_class=VerbParser)
    _verb(verbs, "relay", relay, "stream the WAL to Kafka until stopped", FLAGS)
    one = _verb(verbs, "partitions", make_partitions, "make the table's daily partitions ahead", ("OUTBOX_DAYS_AHEAD",))
    one.add_argument("--dry-run", action="store_true", help="say what would be made, change nothing")
    _verb(verbs, "status", status, "the slot's lag and the partitions ahead", ("OUTBOX_SLOT",))
    add_lag_flags(_verb(verbs, "lag", lag, "what a group has not applied yet, since when, and what stands", ()))

    add_flags(_verb(verbs, "migrate", migrate, "make or extend the outbox's tables, or a consumer's", ()))
    for of_consumers in (positions, quarantine):
        of_consumers.register(verbs)
    return parser


def _verb(
    verbs: Verbs,
    name: str,
    run: Verb,
    purpose: str,
    flags: Sequence[str],
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=f"Environment:\n{described()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for variable in flags:
        flag = "--" + variable.removeprefix("OUTBOX_").lower().replace("_", "-")
        parser.add_argument(flag, dest=variable, metavar="VALUE", help=f"instead of {variable}")
    parser.set_defaults(run=run)
    return parser
