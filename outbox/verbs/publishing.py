"""`outbox relay | partitions | status`: the outbox itself, published and looked after."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from functools import partial

from outbox import partitions
from outbox.catalogue import RELAY, SLOT
from outbox.command import FINDING, FINE
from outbox.fault_points import FaultPoints
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader
from outbox.metrics import Counters, address_of, served
from outbox.relay import slot
from outbox.relay.gauges import SlotGauges, read_slot
from outbox.relay.loop import Kafka, RelayLoop
from outbox.relay.upkeep import ALARM_BELOW_DAYS
from outbox.settings import RelaySettings, days_ahead_of
from outbox.telemetry import log_to_stderr
from outbox.verbs.adding import Verbs, add
from outbox.verbs.call import Call

# Of the same name as their variable. Kafka's address and secrets only come from the environment: others can read our
# arguments, also a password in --dsn.
FLAGS = ("OUTBOX_SLOT", "OUTBOX_TOPIC_PREFIX", "OUTBOX_SOURCES", "OUTBOX_DAYS_AHEAD", "OUTBOX_SKIP_EXISTING")


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    add(verbs, "relay", relay, "stream the WAL to Kafka until stopped", FLAGS)
    made = add(verbs, "partitions", make_partitions, "make the table's daily partitions ahead", ("OUTBOX_DAYS_AHEAD",))
    made.add_argument("--dry-run", action="store_true", help="say what would be made, change nothing")
    add(verbs, "status", status, "the slot's lag and the partitions ahead", ("OUTBOX_SLOT",))


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
