"""The frontier on real systems: relay and lanes are waited for; what is not reached is late or unknown."""

import sys
import threading

import pytest

from outbox.errors import DependencyDown as KafkaDown
from outbox.kafka.port import Admin
from outbox.kafka.python_admin import PythonAdmin
from strangler.errors import BadInput, DependencyDown
from strangler.local.process import Running
from strangler.local.stack import Stack
from strangler.ownership import Owner
from strangler.reconcile.await_frontier import Group, reach_lanes
from strangler.reconcile.frontier import LaneFrontier
from strangler.reconcile.run import reconcile
from strangler.reconcile.subject_evidence import Visibility
from strangler.reconcile.waiting import Deadline
from tests.integration.reconcile_plan import INDEXING, MAILING, plan
from tests.integration.reconcile_town import Town, counted, found, place_of
from tests.support.waiting import wait_until


@pytest.fixture
def town(bare_town: Town) -> Town:
    return bare_town


def start_relay(stack: Stack, town: Town) -> Running:
    argv = [sys.executable, "-m", "outbox", "relay"]
    return stack.spawn(f"relay-{town.slot}", argv, env=relay_environ(town), ready=Running.said_ready)


def relay_environ(town: Town) -> dict[str, str]:
    return {
        name: value for name, value in town.environ.items() if name not in ("OUTBOX_GROUP_PREFIX", "TOWN_LEDGER_DSN")
    }


def test_the_judge_waits_for_the_relay_and_for_every_lane(stack: Stack, town: Town) -> None:
    relay = start_relay(stack, town)
    refs = [f"order-{number}" for number in range(12)]
    for number, ref in enumerate(refs):
        town.place(ref, list(Owner)[number % 3])

    def new_side() -> None:
        """Acts only after all events are in the topic, while the judge waits already."""
        topic = [town.topic]
        wait_until(lambda: sum(town.admin.end_offsets(topic).values()) >= len(refs))
        for number, ref in enumerate(refs):
            if number % 3:
                (town.decide if number % 3 == 1 else town.act)(ref)
        town.pass_lanes()

    consumer = threading.Thread(target=new_side)
    consumer.start()
    report = town.judge(timeout_s=40)
    consumer.join(60)
    # WAL without a commit of its own behind it: an idle relay confirms it all the same, or the nudge makes it.
    town.execute("SELECT pg_create_restore_point('aside')")
    town.pass_lanes()
    again = town.judge()
    relay.terminate()

    assert counted(report) == {MAILING: {"match": 12}, INDEXING: {"match": 12}}
    assert report.by_owner == {
        MAILING: {"legacy": 4, "shadow": 4, "new": 4},
        INDEXING: {"legacy": 4, "shadow": 4, "new": 4},
    }
    assert (report.exit_code, again.exit_code) == (0, 0)
    assert counted(again) == {MAILING: {}, INDEXING: {}}


def test_without_a_relay_nothing_is_missing_and_nothing_is_final(town: Town) -> None:
    town.make_slot()
    town.place("new-1", Owner.NEW)
    town.place("shadow-1", Owner.SHADOW)
    town.pass_lanes()
    stopped = town.judge(timeout_s=0.2)

    assert counted(stopped) == {MAILING: {"unknown": 2}, INDEXING: {"unknown": 2}}
    assert "no relay is connected" in stopped.unknown[MAILING]
    assert stopped.exit_code == 3
    assert town.execute("SELECT count(*) FROM strangler.verdict") == [(0,)]
    with town.confirming():
        assert counted(town.judge()) == {MAILING: {"missing": 2}, INDEXING: {"missing": 2}}


def test_a_slot_that_does_not_exist_is_unknown_and_said_at_once(town: Town) -> None:
    town.place("new-1", Owner.NEW)
    report = town.judge(timeout_s=30)

    assert counted(report) == {MAILING: {"unknown": 1}, INDEXING: {"unknown": 1}}
    assert "no replication slot" in report.unknown[INDEXING]
    assert report.seconds < 30


def test_a_stuck_lane_is_late_for_its_orders_and_for_no_others(town: Town) -> None:
    town.make_slot()
    refs = [f"order-{number}" for number in range(40)]
    town.publish(*refs)
    stuck = place_of(refs[0])
    for ref in refs:
        town.place(ref, Owner.NEW)
        if place_of(ref) != stuck:
            town.act(ref)
    held = [ref for ref in refs if place_of(ref) == stuck]
    town.pass_lanes(behind=stuck)
    with town.confirming():
        report = town.judge(timeout_s=4)  # the relay's part of it takes a moment
        town.pass_lanes()
        released = town.judge()

    assert counted(report) == {step: {"match": 40 - len(held), "late": len(held)} for step in (MAILING, INDEXING)}
    assert found(report) == {(step, ref, 100, "late") for step in (MAILING, INDEXING) for ref in held}
    assert report.exit_code == 0
    assert counted(released) == {step: {"missing": len(held)} for step in (MAILING, INDEXING)}


def test_lanes_that_were_never_assigned_are_behind(town: Town) -> None:
    town.make_slot()
    town.place("new-1", Owner.NEW)
    with town.confirming():
        report = town.judge(timeout_s=4)

    assert counted(report) == {MAILING: {"late": 1}, INDEXING: {"late": 1}}


def test_positions_of_another_incarnation_or_beyond_the_log_are_unknown(town: Town) -> None:
    town.make_slot()
    town.place("new-1", Owner.NEW)
    with town.confirming():
        town.pass_lanes(incarnation="another")
        another = town.judge(timeout_s=4)
        town.pass_lanes()
        town.execute("UPDATE notification.position SET next_offset = 1000")
        report = town.judge(timeout_s=4)

    assert counted(another)[MAILING] == {"unknown": 1}
    assert counted(report) == {MAILING: {"unknown": 1}, INDEXING: {"missing": 1}}
    assert "beyond the end" in report.judgements[0].reason


def test_an_asynchronous_commit_is_not_beyond_the_frontier(town: Town) -> None:
    """It is visible before it is flushed: the frontier must lie behind it, or its event would be called missing."""
    town.make_slot()
    with town.connect() as connection:
        connection.execute("SET synchronous_commit = off")
        town.place_in(connection, "new-1", Owner.NEW)
        connection.commit()
        (committed,) = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone() or ("",)
    lsn = town.judge(timeout_s=0.2).frontier["lsn"]

    assert town.execute("SELECT %s::pg_lsn >= %s::pg_lsn", lsn, committed) == [(True,)]


def test_a_dependency_that_is_down_costs_what_depends_on_it(town: Town) -> None:
    town.make_slot()
    town.place("legacy-1", Owner.LEGACY)
    town.place("new-1", Owner.NEW)
    town.act("new-1")
    town.pass_lanes()
    nowhere = "postgresql://nobody@127.0.0.1:9/nothing"
    with town.confirming():
        no_ledger = town.judge(everything=True, TOWN_LEDGER_DSN=nowhere)

    assert counted(no_ledger) == {MAILING: {"unknown": 2}, INDEXING: {"match": 2}}
    assert no_ledger.exit_code == 3
    with pytest.raises(DependencyDown, match="STRANGLER_DSN"):
        town.judge(STRANGLER_DSN=nowhere)
    with town.confirming(), pytest.raises(BadInput, match="KAFKA_BOOTSTRAP"):
        town.judge(KAFKA_BOOTSTRAP="")
    with pytest.raises(BadInput, match="pricing"):
        reconcile(plan, town.environ, steps=["pricing"])


def test_a_kafka_or_a_context_that_does_not_answer_leaves_its_steps_unknown(town: Town) -> None:
    def nowhere() -> Admin:
        raise KafkaDown("no Kafka at 127.0.0.1:9")

    with town.connect() as connection:
        groups = {MAILING: Group(connection, "mailing-group", [town.topic])}
        no_kafka = reach_lanes(groups, nowhere, Deadline.after(1))
    with_kafka = reach_lanes(groups, lambda: PythonAdmin(town.environ["KAFKA_BOOTSTRAP"]), Deadline.after(5))

    assert no_kafka[MAILING].of_key("order-1") == LaneFrontier(Visibility.UNKNOWN, "no Kafka at 127.0.0.1:9")
    assert "cannot be read" in with_kafka[MAILING].why_unknown  # its connection is closed by now
