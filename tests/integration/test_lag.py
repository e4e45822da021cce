"""The lag of a group on real parts: true while it runs, stands, is dead, or reads another topic than before."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import requests
from psycopg.types.json import Jsonb

from outbox import cli
from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Poison, lane_of
from outbox.consumer.lag.figures import GroupLag
from outbox.consumer.lag.read import LagReader
from outbox.consumer.partitions.standing import StandingCause
from outbox.event import Event, ReceivedEvent, SourcePosition, uuid7
from outbox.kafka import compression
from outbox.kafka.codec import to_headers
from strangler.local.ports import Ports
from tests.integration.consumer_rig import QUICK, SCHEMA, Rig, connect_to, write_effects
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.kafka.compressing import compressing
from tests.support.waiting import wait_until

OLD_S = 3_600.0


@pytest.fixture
def rig(database: str, bootstrap: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix, partitions=2) as rig:
        yield rig


Look = Callable[..., GroupLag]


@pytest.fixture
def look(rig: Rig) -> Iterator[Look]:
    reader = rig.make_reader()
    kept: dict[tuple[str, ...], LagReader] = {}

    def looked(*topics: str) -> GroupLag:
        wanted = topics or (rig.topic,)
        if wanted not in kept:
            kept[wanted] = LagReader(group=rig.group, topics=wanted, admin=rig.admin, reader=reader)
        with connect_to(rig.dsn) as connection:
            return kept[wanted].read(connection)

    yield looked
    reader.close()


def send(rig: Rig, key: str, number: int, *, age_s: float = 0.0, tenant: str = "shop") -> float:
    """Appended so long ago, which is returned as a time; the relay sends it now."""
    rig.lsn += 1
    appended_at = time.time() - age_s
    made = uuid7(round(appended_at * 1000))
    event = Event("order", key, number, "OrderPlaced", b"{}", {"tenant": tenant, "class": "card"}, id=made)
    rig.producer.send(rig.topic, key.encode(), b"{}", to_headers(event, SourcePosition("test", rig.lsn, 0)))
    rig.producer.flush(30.0)
    rig.sent.append((key, number))
    return appended_at


def assert_age(seen_s: float | None, age_s: float, appended_at: float) -> None:
    """It was so old when it was sent, and is not older than it is by now, however slow the machine."""
    assert seen_s is not None
    assert age_s - 0.01 <= seen_s <= time.time() - appended_at + 0.01


class Gate:
    """A handler that waits until it may go on."""

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Event()

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        self.entered.set()
        assert self.open.wait(30.0)
        return write_effects(connection, events)


def causes(lag: GroupLag) -> set[tuple[StandingCause, int | None]]:
    return {(one.cause, one.partition) for one in lag.standing}


def test_what_is_under_way_is_as_old_as_it_was_appended_and_ends_with_its_commit(rig: Rig, look: Look) -> None:
    assert look().records == 0
    gate = Gate()
    running = rig.runtime(gate)
    appended_at = send(rig, "order-1", 1, age_s=OLD_S, tenant="merchant-7")
    assert gate.entered.wait(30.0)
    wait_until(lambda: look().members == 1, look)
    found = look()
    assert (found.records, found.members, found.left) == (1, 1, ())
    assert_age(found.oldest_s, OLD_S, appended_at)
    ((who, service_class, records),) = [(one.tenant, one.service_class, one.records) for one in found.tenants]
    assert (who, service_class, records, found.complete) == ("merchant-7", "card", 1, True)
    gate.open.set()
    wait_until(rig.caught_up, rig.positions)
    after = look()
    assert (after.records, after.oldest_s, after.standing) == (0, None, ())
    running.stop()


def test_a_dead_group_stays_visible_with_its_age_and_is_said_to_have_no_member(rig: Rig, look: Look) -> None:
    running = rig.runtime()
    send(rig, "order-1", 1)
    wait_until(rig.caught_up, rig.positions)
    wait_until(lambda: look().members == 1, look)
    running.stop()
    assert look().members == 0
    appended_at = send(rig, "order-1", 2, age_s=60.0)
    wait_until(lambda: StandingCause.NO_MEMBER in {one.cause for one in look().standing}, look)
    found = look()
    assert found.records == 1
    assert_age(found.oldest_s, 60.0, appended_at)
    (standing,) = found.standing
    assert (standing.topic, standing.offset) == (rig.topic, 1)
    again = rig.runtime()
    wait_until(rig.caught_up, rig.positions)
    wait_until(lambda: look().members == 1, look)
    assert look().standing == ()
    again.stop()


def test_a_lane_that_nobody_speaks_of_is_named_while_others_of_its_partition_move(rig: Rig, look: Look) -> None:
    running = rig.runtime()
    send(rig, "order-1", 1)
    wait_until(rig.caught_up, rig.positions)
    running.stop()
    ((partition,),) = rig.sql("SELECT DISTINCT partition FROM position WHERE next_offset = 1")
    rig.sql("UPDATE member SET seen_at = now() + interval '1 hour', held = %s", Jsonb([[rig.topic, partition]]))
    lane = lane_of(b"order-1", QUICK.lanes)
    others_move = "UPDATE position SET next_offset = 2, updated_at = now() + interval '1 hour'"
    rig.sql(f"{others_move} WHERE partition = %s AND lane <> %s", partition, lane)
    send(rig, "order-1", 2)
    wait_until(lambda: look().standing != (), look)
    (standing,) = look().standing
    assert (standing.cause, standing.partition, standing.offset) == (StandingCause.NOT_MOVING, partition, 1)


def test_a_group_that_never_ran_is_behind_by_all_that_there_is(rig: Rig, look: Look) -> None:
    appended_at = send(rig, "order-1", 1, age_s=30.0)
    found = look()
    assert (found.records, found.members, found.seen_s) == (1, 0, None)
    assert_age(found.oldest_s, 30.0, appended_at)


def test_a_parked_event_keeps_the_age_at_which_it_was_appended(rig: Rig, look: Look) -> None:
    def poisoned(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        for index, one in enumerate(events):
            if one.event.aggregate_version == 1:
                raise Poison(index, "not today")
        return write_effects(connection, events)

    appended_at = send(rig, "order-1", 1, age_s=OLD_S)
    rig.runtime(poisoned)
    wait_until(rig.caught_up, rig.positions)
    found = look()
    assert (found.records, sum(one.parked for one in found.partitions)) == (0, 1)
    assert_age(found.oldest_s, OLD_S, appended_at)
    assert found.standing == ()


def test_a_topic_that_the_group_has_left_is_named_and_has_no_lag(rig: Rig, look: Look) -> None:
    running = rig.runtime()
    send(rig, "order-1", 1)
    wait_until(rig.caught_up, rig.positions)
    running.stop()
    send(rig, "order-1", 2, age_s=OLD_S)
    other = f"{rig.topic}.other"
    rig.admin.ensure_topics({other: 1})
    found = look(other)
    assert (found.records, found.oldest_s, found.left, found.standing) == (0, None, (rig.topic,), ())


def test_a_topic_that_is_missing_stands_at_once(rig: Rig, look: Look) -> None:
    typo = f"{rig.topic}x"
    found = look(rig.topic, typo)
    assert [(one.cause, one.topic) for one in found.standing] == [(StandingCause.TOPIC_MISSING, typo)]


def test_a_lost_position_stands_at_its_offset_and_all_that_the_log_holds_waits(rig: Rig, look: Look) -> None:
    running = rig.runtime()
    send(rig, "order-1", 1, age_s=10.0)
    wait_until(rig.caught_up, rig.positions)
    running.stop()
    ((number,),) = rig.sql("SELECT DISTINCT partition FROM position WHERE next_offset = 1")
    rig.sql("UPDATE position SET next_offset = 99 WHERE partition = %s", number)
    found = look()
    (standing,) = [one for one in found.standing if one.cause is StandingCause.POSITION_LOST]
    assert (standing.partition, standing.offset) == (number, 99)
    assert found.records == 1
    again = rig.runtime()
    wait_until(lambda: look().members == 1, look)
    assert (StandingCause.POSITION_LOST, number) in causes(look())
    again.stop()


def test_a_lane_whose_handler_fails_on_and_on_stands_at_its_offset(rig: Rig, look: Look) -> None:
    failing = threading.Event()
    failing.set()

    def fail(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        if failing.is_set() and any(one.event.aggregate_id == "order-1" for one in events):
            raise ConnectionError("the vendor is away")
        return write_effects(connection, events)

    rig.runtime(fail)
    send(rig, "order-1", 1)
    wait_until(lambda: StandingCause.LANE_STANDS in {one.cause for one in look().standing}, look)
    (standing,) = [one for one in look().standing if one.cause is StandingCause.LANE_STANDS]
    assert (standing.topic, standing.offset) == (rig.topic, 0)
    assert standing.detail.startswith("tried ")
    failing.clear()
    wait_until(rig.all_applied, rig.effects)
    wait_until(lambda: look().standing == (), look)


def test_a_batch_that_cannot_be_read_stands_at_its_offset(
    rig: Rig, look: Look, bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = to_headers(Event("order", "order-1", 1, "OrderPlaced", b"{}"), SourcePosition("test", 1_000, 0))
    with compressing(bootstrap, "zstd") as producer:
        producer.send(rig.topic, key=b"order-1", value=b"{}" + b" " * 500, headers=headers)
    monkeypatch.setattr(compression, "DECODERS", {})
    from_outside = look()
    assert [(one.cause, one.offset) for one in from_outside.standing] == [(StandingCause.UNREADABLE, 0)]
    rig.runtime(settings=replace(QUICK, broken_s=0.5))
    wait_until(lambda: look().members == 1, look)
    assert [(one.cause, one.offset) for one in look().standing] == [(StandingCause.UNREADABLE, 0)]


def test_the_verb_needs_no_plan_and_exits_1_when_something_stands(
    rig: Rig, bootstrap: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"STRANGLER_DSN": rig.dsn, "KAFKA_BOOTSTRAP": bootstrap, "OUTBOX_TOPIC_PREFIX": ""}
    argv = ["lag", "--group", rig.group, "--schema", SCHEMA, "--topic", rig.topic]

    def verb(*more: str) -> tuple[int, Any]:
        code = cli.main([*argv, "--json", *more], environ)
        return code, json.loads(capsys.readouterr().out)

    assert verb()[0] == 0
    appended_at = send(rig, "order-1", 1, age_s=60.0)
    code, data = verb("--topic", f"{rig.topic}x")
    assert (code, data["records"], data["members"]) == (1, 1, 0)
    assert data["standing"][0]["cause"] == "topic_missing"
    assert cli.main([*argv, "--topic", f"{rig.topic}x"], environ) == 1
    lines = capsys.readouterr().out.splitlines()
    said = re.fullmatch(rf"group {rig.group}: 1 records wait, the oldest (\S+) s old; .*", lines[0])
    assert said is not None, lines
    assert_age(float(said[1]), 60.0 - 0.1, appended_at - 0.1)  # which is rounded
    assert f"{rig.topic}x stands for 0 s: topic_missing" in lines[-1]


def test_a_schema_that_holds_no_consumer_is_said(rig: Rig, bootstrap: str, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(rig.dsn) as connection:
        connection.execute("CREATE SCHEMA empty")
    environ = {"STRANGLER_DSN": rig.dsn, "KAFKA_BOOTSTRAP": bootstrap}
    assert cli.main(["lag", "--group", "nobody", "--schema", "empty", "--topic", "order"], environ) == 2
    assert 'relation "position" does not exist; run: outbox migrate' in capsys.readouterr().err


def test_the_watch_serves_the_lag_of_a_group_that_is_dead(rig: Rig, bootstrap: str) -> None:
    appended_at = send(rig, "order-1", 1, age_s=60.0)
    address = f"127.0.0.1:{Ports().take()}"
    given = {"STRANGLER_DSN": rig.dsn, "KAFKA_BOOTSTRAP": bootstrap, "OUTBOX_METRICS_ADDRESS": address}
    argv = [sys.executable, "-m", "outbox", "lag", "--group", rig.group, "--schema", SCHEMA, "--topic", rig.topic]
    with subprocess.Popen(
        [*argv, "--topic-prefix", "", "--watch", "--json"], env={**os.environ, **given}, stdout=subprocess.PIPE
    ) as watching:

        def page() -> str:
            try:
                return requests.get(f"http://{address}/metrics", timeout=10).text
            except requests.ConnectionError:
                return ""

        wait_until(lambda: f'consumer_members{{group="{rig.group}"}} 0' in page(), page)
        ages = re.findall(r'consumer_lag_seconds\{.*state="waiting"\} (\S+)', page())
        beyond_s = time.time() - appended_at - 60.0  # twice: ages grow from the beginning of a look on
        assert 60.0 <= max(map(float, ages)) <= 60.0 + 2 * beyond_s + 0.01
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30.0) == 0
