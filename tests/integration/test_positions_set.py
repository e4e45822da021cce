"""`positions set`: a person says where a group goes on, through either command, and running members go on there."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

import outbox.cli
import strangler.cli
from outbox.consumer import Metric
from tests.integration.consumer_rig import SCHEMA, Rig
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.waiting import wait_until

TOLD = ("--actor", "ann", "--reason", "reconciled at noon")
Door = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def rig(bootstrap: str, database: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix, partitions=1) as rig:
        yield rig


@pytest.fixture(params=[outbox.cli.main, strangler.cli.main], ids=["outbox", "strangler"])
def door(
    request: pytest.FixtureRequest,
    rig: Rig,
    bootstrap: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Door:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", bootstrap)

    def call(*arguments: str) -> tuple[int, Any, str]:
        """The code, the document on stdout (None: none), and what was said."""
        try:
            code = request.param(["positions", *arguments, "--dsn", rig.dsn, "--json"])
        except SystemExit as usage:
            code = int(usage.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return call


def place(rig: Rig) -> str:
    return f"{SCHEMA}:{rig.topic}/0"


def handled(rig: Rig, *numbers: int) -> None:
    wait_until(lambda: [number for _, number in rig.effects()] == list(numbers), rig.effects)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("spoilt", ["next_offset = 1000", "incarnation = 'of before'"], ids=["outside", "made again"])
def test_a_lost_position_is_shown_and_set_beside_the_running_member(rig: Rig, door: Door, spoilt: str) -> None:
    first = rig.runtime()
    rig.send_many(keys=1, each=2)
    handled(rig, 1, 2)
    first.stop()
    rig.sql(f"UPDATE position SET {spoilt}")
    running = rig.runtime()
    wait_until(lambda: running.count(Metric.POSITION_LOST) > 0)
    (why,) = running.runtime.lost().values()
    assert f"outbox positions set SCHEMA:{rig.topic}/0" in why
    code, shown, _ = door("show")
    assert (code, {lane["finding"] is None for lane in shown["lanes"]}) == (1, {False})

    rig.send("order-0", 3)
    code, data, _ = door("set", place(rig), "--to-offset", "2", *TOLD)
    assert (code, data["taken_up"], data["moved"][0]["to"]) == (0, True, 2)
    handled(rig, 1, 2, 3)
    assert running.runtime.lost() == {}
    assert door("show")[0] == 0
    audited = rig.sql('SELECT actor, verb, reason, "offset" FROM quarantine_audit ORDER BY id')
    assert [one[:3] for one in audited] == [("ann", verb, TOLD[3]) for verb in ("set from", "set to")]
    assert audited[1][3] == 2


@pytest.mark.timeout(90)
def test_an_idle_member_takes_it_up_and_handles_again_what_lies_behind(rig: Rig, door: Door) -> None:
    running = rig.runtime()
    rig.send_many(keys=1, each=3)
    handled(rig, 1, 2, 3)
    wait_until(rig.caught_up, rig.positions)
    before = rig.positions()
    assert door("set", place(rig), "--to-start", *TOLD, "--dry-run")[1]["dry_run"] is True
    assert rig.positions() == before
    code, data, _ = door("set", f"{SCHEMA}:{rig.topic}", "--to-start", *TOLD)
    assert (code, data["taken_up"], data["moved"][0]["from"]) == (0, True, [3])
    handled(rig, 1, 2, 3, 1, 2, 3)
    assert running.count(Metric.SOURCE_BROKEN) == 0


@pytest.mark.timeout(90)
def test_without_a_running_member_the_next_step_is_said(
    rig: Rig, door: Door, capsys: pytest.CaptureFixture[str], bootstrap: str
) -> None:
    first = rig.runtime()
    rig.send("order-0", 1)
    handled(rig, 1)
    first.stop()
    rig.send("order-0", 2)
    rig.producer.flush(10)
    time_between = datetime.now(UTC)
    wait_until(lambda: time.time() > time_between.timestamp() + 0.01)
    rig.send("order-0", 3)
    rig.producer.flush(10)
    code, data, _ = door("set", place(rig), "--to-end", "--wait-s", "0.3", *TOLD)
    assert (code, data["taken_up"], data["moved"][0]["to"]) == (0, False, 3)
    argv = ["positions", "set", place(rig), "--to-time", time_between.isoformat(), "--wait-s", "0.3", *TOLD]
    assert outbox.cli.main([*argv, "--dsn", rig.dsn], {"KAFKA_BOOTSTRAP": bootstrap}) == 0
    assert "start the consumer: it goes on there" in capsys.readouterr().out
    rig.runtime()
    handled(rig, 1, 3)


@pytest.mark.timeout(60)
def test_what_cannot_be_is_refused(rig: Rig, door: Door) -> None:
    code, _, said = door("set", place(rig), "--to-start", *TOLD)
    assert (code, "no consumer has stored a position" in said) == (1, True)
    running = rig.runtime()
    rig.send("order-0", 1)
    handled(rig, 1)
    running.stop()
    code, _, said = door("set", place(rig), "--to-offset", "9", *TOLD)
    assert (code, "holds 0 to 1, not 9" in said) == (1, True)
    assert door("set", place(rig), "--to-offset", "0", "--to-end", *TOLD)[0] == 2
    assert door("set", place(rig), "--to-time", "noon", *TOLD)[0] == 2
    assert door("set", place(rig), "--to-end", "--actor", "ann", "--reason", " ")[0] == 2
    rig.sql(
        "INSERT INTO position (group_name, topic, partition, lane, lanes, incarnation, next_offset, fence) "
        "SELECT 'another', topic, partition, lane, lanes, incarnation, 0, fence FROM position"
    )
    code, _, said = door("set", place(rig), "--to-end", *TOLD)
    assert (code, f"groups another, {rig.group}; name one with --group" in said) == (2, True)
    assert door("set", place(rig), "--to-end", "--group", rig.group, "--wait-s", "0", *TOLD)[0] == 0
    assert {offset for _, _, offset in rig.positions()} == {1}


@pytest.mark.timeout(90)
def test_members_store_their_positions_while_kafka_is_asked(
    rig: Rig, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.runtime()
    rig.send_many(keys=1, each=2)
    handled(rig, 1, 2)
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as threads:
        monkeypatch.setenv("KAFKA_BOOTSTRAP", f"127.0.0.1:{silent.getsockname()[1]}")
        asking = threads.submit(door, "set", place(rig), "--to-start", *TOLD)
        caller, _ = silent.accept()  # the verb has read the lanes, and hears nothing of Kafka
        with caller:
            rig.sql("SELECT FROM position FOR UPDATE NOWAIT")
            assert not asking.done()
        assert asking.result()[0] == 3
    assert rig.sql("SELECT count(*) FROM quarantine_audit") == [(0,)]
