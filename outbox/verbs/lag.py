"""`outbox lag`: what a consumer group has not applied yet, since when, and what stands; a dead group's too."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg

from outbox.catalogue import LAG
from outbox.connection import connect
from outbox.consumer.gauges import LagLook
from outbox.consumer.lag.figures import GroupLag, PartitionLag
from outbox.consumer.lag.gauges import LOOK_S, LagGauges
from outbox.errors import ConfigurationError, DependencyDown
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_reader import PythonReader
from outbox.kafka_settings import KafkaSettings
from outbox.metrics import Counters, address_of, served
from outbox.one_look import OneLook
from outbox.verbs.adding import Verbs, add
from outbox.verbs.call import Call

EVERY_S = 1.0
EPILOG = """
Lag is read from the group's own positions and the times at which events were appended; no group is joined, nothing is
written. Exit: 0 nothing stands, 1 a partition, a lane or the whole group stands still, 2 usage, 3 not reachable."""


def register(verbs: Verbs) -> None:
    """Add the verb."""
    parser = add(verbs, "lag", lag, "what a group has not applied yet, since when, and what stands")
    parser.add_argument("--group", required=True, help="the consumer's group")
    parser.add_argument("--schema", help="where it keeps its positions (default: the group's name)")
    parser.add_argument(
        "--topic", action="append", required=True, metavar="TYPE", help="an aggregate type that it handles; repeat it"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="look once a second until Ctrl-C or SIGTERM, and serve it at OUTBOX_METRICS_ADDRESS, a dead group too",
    )
    parser.add_argument("--topic-prefix", dest="OUTBOX_TOPIC_PREFIX", help="instead of OUTBOX_TOPIC_PREFIX")
    parser.epilog = f"{EPILOG}\n\n{parser.epilog}"


def lag(call: Call) -> int:
    """Exit 1 when something stands still."""
    arguments, environ = call.args, call.environ
    prefix = arguments.OUTBOX_TOPIC_PREFIX or environ.get("OUTBOX_TOPIC_PREFIX", "outbox.event.")
    dsn, kafka = call.dsn, KafkaSettings.from_environ(environ)
    topics = list(dict.fromkeys(prefix + topic for topic in arguments.topic))
    if not arguments.group:
        raise ConfigurationError("--group is empty; give the consumer's group")
    address = address_of(environ)
    look = LagLook(
        arguments.group,
        topics,
        lambda: connect(dsn, schema=arguments.schema or arguments.group),
        lambda: PythonAdmin(kafka, client_id="outbox-lag"),
        lambda: PythonReader(kafka, client_id="outbox-lag"),
    )
    with closing(look):
        return _watch(call, look, address) if arguments.watch else _show(call, look())


def _watch(call: Call, look: LagLook, address: tuple[str, int] | None) -> int:
    """What is printed and what is scraped come from the same looks."""
    take = OneLook(look, LOOK_S)
    counters = Counters({}, LAG)
    counters.source(LagGauges(take))
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell lets what runs behind it ignore Ctrl-C
        signal.signal(number, lambda *_: stopping.set())
    with served(counters, address):
        while not stopping.is_set():
            try:
                _show(call, take())
            except (DependencyDown, psycopg.OperationalError) as error:
                call.talk(f"outbox: {error}")
            stopping.wait(EVERY_S)
    return 0


def _show(call: Call, found: GroupLag) -> int:
    call.emit(found.to_json(), said(found))
    sys.stdout.flush()
    return 1 if any(one.still for one in found.standing) else 0


def said(found: GroupLag) -> Iterator[str]:
    """Lines for people."""
    members = f"{found.members} members" if found.members != 1 else "1 member"
    if found.members == 0 and found.seen_s is not None:
        members = f"no member for {found.seen_s:.0f} s"
    yield f"group {found.group}: {found.records} records wait, {_age(found.oldest_s)}; {members}"
    yield from (_partition(one) for one in found.partitions if one.records or one.parked)
    for tenant in found.tenants:
        who = " ".join(part for part in (tenant.tenant, tenant.service_class) if part)
        at_least = "" if found.complete else "at least "
        yield f"  tenant {who}: {at_least}{tenant.records} records, {_age(tenant.oldest_s)}"
    yield from (f"  hot: {one.sentence}" for one in found.hot)
    yield from (f"  {one.sentence}" for one in found.standing)
    yield from (f"  {topic} is not read any more: its positions count for nothing" for topic in found.left)


def _partition(one: PartitionLag) -> str:
    about = "" if one.exact else "about "
    parts = []
    if one.records:
        parts.append(f"{about}{one.records} records from offset {one.next_offset}, {_age(one.waiting_s)}")
    if one.parked:
        parts.append(f"{one.parked} in quarantine, {_age(one.parked_s)}")
    return f"  {one.topic}/{one.partition}: {'; '.join(parts)}"


def _age(seconds: float | None) -> str:
    return "none is old" if seconds is None else f"the oldest {seconds:.1f} s old"
