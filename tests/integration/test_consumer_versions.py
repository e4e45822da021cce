"""An event that comes before an earlier version of its aggregate waits for it, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from outbox.consumer import Done, Handler, InParallel, VersionProgress
from outbox.consumer.handler import Disposition
from outbox.consumer.quarantine import quarantine_admin
from outbox.consumer.quarantine.quarantine_admin import Entry
from outbox.errors import ConfigurationError
from outbox.event import ReceivedEvent
from outbox.policy import Versions
from outbox.told import Told
from tests.integration.consumer_faults import rig_in_memory
from tests.integration.consumer_rig import QUICK, Rig, Running, connect_to, write_effects
from tests.integration.test_consumer_release import Picky
from tests.support.kafka.memory import MemoryBroker
from tests.support.kafka.memory_reader import MemoryReader
from tests.support.waiting import wait_until

CLAUSE = "policy:search.versions.wait_s=60.0"
TOLD = Told("ann", "it was lost for good")
NEWEST = """
SELECT key, coalesce(max(number), 0), count(DISTINCT number)
FROM unnest(%s::text[]) AS wanted (key) LEFT JOIN effects_seen USING (key)
WHERE key <> 'unversioned' GROUP BY key"""
REASONS = "SELECT reason FROM quarantine WHERE resolved_at IS NULL ORDER BY 1"
BEHIND = "behind an earlier parked event of its key"


def handled(connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Mapping[str, Done]:
    refs = [one.event.aggregate_id for one in events]
    return {key: Done(newest, many) for key, newest, many in connection.execute(NEWEST, (refs,))}


def start(rig: Rig, handler: Handler | InParallel = write_effects, wait_s: float = 60.0) -> Running:
    return rig.runtime(handler, settings=replace(QUICK, versions=Versions(wait_s)), progress=VersionProgress(handled))


@pytest.fixture
def rig(database: str) -> Iterator[Rig]:
    broker = MemoryBroker()
    with rig_in_memory(database, broker) as rig:
        rig.make_reader = partial(MemoryReader, broker)
        yield rig


def reasons(rig: Rig) -> list[str]:
    return [reason for (reason,) in rig.sql(REASONS)]


def numbers(rig: Rig, key: str = "order-1") -> list[int]:
    return [number for seen, number in rig.effects() if seen == key]


def head(rig: Rig) -> Entry:
    with connect_to(rig.dsn) as connection:
        return quarantine_admin.entries(connection)[0]


def send(rig: Rig, *sent: int, key: str = "order-1") -> None:
    for number in sent:
        rig.send(key, number)
    rig.producer.flush(10)


def replay(rig: Rig) -> None:
    entry = head(rig)
    with connect_to(rig.dsn) as connection:
        quarantine_admin.request_replay(connection, entry, TOLD)


def test_a_late_version_lets_go_what_waited_for_it_and_other_keys_never_waited(rig: Rig) -> None:
    start(rig)
    send(rig, 1, 3, 4)
    send(rig, 1, 2, 3, key="order-2")
    send(rig, 7, key="unversioned")
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 2, rig.parked)
    assert (numbers(rig), numbers(rig, "order-2"), numbers(rig, "unversioned")) == ([1], [1, 2, 3], [7])
    assert reasons(rig) == [BEHIND, f"waiting for version 2: {CLAUSE}"]

    send(rig, 2, 5)
    wait_until(lambda: not rig.parked() and rig.all_applied(), rig.parked)
    assert numbers(rig) == [1, 2, 3, 4, 5]


def test_what_comes_behind_two_gaps_waits_for_both(rig: Rig) -> None:
    start(rig)
    send(rig, 4, 1, 6)
    wait_until(
        lambda: reasons(rig) == [BEHIND, BEHIND, f"waiting for version 1: {CLAUSE}"] or numbers(rig) == [1], rig.parked
    )
    wait_until(lambda: numbers(rig) == [1], rig.parked)
    wait_until(lambda: f"waiting for version 2: {CLAUSE}" in reasons(rig), rig.parked)
    send(rig, 3, 2)
    wait_until(lambda: numbers(rig) == [1, 2, 3, 4], rig.effects)
    wait_until(lambda: reasons(rig) == [f"waiting for version 5: {CLAUSE}"], rig.parked)
    send(rig, 5)
    wait_until(lambda: rig.all_applied() and not rig.parked(), rig.parked)
    assert numbers(rig) == [1, 2, 3, 4, 5, 6]


def test_what_waited_in_vain_is_a_persons_and_goes_all_the_same_should_the_version_come(rig: Rig) -> None:
    start(rig, wait_s=0.05)
    send(rig, 1, 3)
    send(rig, 2, key="order-2")
    in_vain = [f"waited in vain for version {number}: policy:search.versions.wait_s=0.05" for number in (1, 2)]
    wait_until(lambda: reasons(rig) == in_vain, rig.parked)
    send(rig, 2)
    wait_until(lambda: numbers(rig) == [1, 2, 3], rig.effects)

    replay(rig)
    wait_until(lambda: numbers(rig, "order-2") == [2], rig.parked)
    send(rig, 3, key="order-2")
    wait_until(lambda: rig.all_applied() and not rig.parked(), rig.parked)
    assert (numbers(rig), numbers(rig, "order-2")) == ([1, 2, 3], [2, 3])


def test_a_restart_between_the_two_forgets_nothing(rig: Rig) -> None:
    first = start(rig)
    send(rig, 1, 3)
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 1, rig.parked)
    first.stop()
    send(rig, 4, 2)
    start(rig)
    wait_until(lambda: not rig.parked() and rig.all_applied(), rig.parked)
    assert numbers(rig) == [1, 2, 3, 4]


def test_repeats_and_replays_are_no_gaps(rig: Rig) -> None:
    start(rig)
    send(rig, 1, 2, 3)
    wait_until(rig.all_applied)
    rig.send("order-1", 2, lsn=2)  # the relay sends it once more
    send(rig, 2, 4)  # somebody has repaired it: another place in the source, the same version
    wait_until(lambda: numbers(rig) == [1, 2, 3, 2, 4], rig.effects)
    assert rig.parked() == []


def test_a_version_that_was_discarded_is_not_waited_for(rig: Rig) -> None:
    picky = Picky(("order-1", 2))
    start(rig, picky)
    send(rig, 1, 2)
    wait_until(lambda: len(rig.parked()) == 1, rig.parked)
    entry = head(rig)
    with connect_to(rig.dsn) as connection:
        quarantine_admin.discard(connection, entry, TOLD)
    send(rig, 3, 5)
    wait_until(lambda: numbers(rig) == [1, 3], rig.parked)
    wait_until(lambda: reasons(rig) == [f"waiting for version 4: {CLAUSE}"], rig.parked)
    send(rig, 4)
    wait_until(lambda: len(numbers(rig)) == 4 and not rig.parked(), rig.parked)
    assert numbers(rig) == [1, 3, 4, 5]


def test_discarded_versions_excuse_none_that_is_still_missing(rig: Rig) -> None:
    start(rig)
    send(rig, 2, 4, 5)
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 3, rig.parked)
    with connect_to(rig.dsn) as connection:
        for entry in quarantine_admin.entries(connection):
            quarantine_admin.discard(connection, entry, TOLD)
    send(rig, 3)
    wait_until(lambda: reasons(rig) == [f"waiting for version 1: {CLAUSE}"] or numbers(rig) == [3], rig.parked)
    send(rig, 1, 6)
    wait_until(lambda: len(numbers(rig)) == 3 and not rig.parked(), rig.parked)
    assert numbers(rig) == [1, 3, 6]


class Broken:
    """Fails for good at what is in `at`, by key and number, without saying which it was."""

    def __init__(self, *at: tuple[str, int]) -> None:
        self.at = set(at)

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> list[Disposition]:
        if any((one.event.aggregate_id, one.event.aggregate_version) in self.at for one in events):
            raise psycopg.DataError
        return write_effects(connection, events)


@pytest.mark.parametrize("bad", [2, 3])
def test_an_error_of_the_data_holds_its_own_key_only(rig: Rig, bad: int) -> None:
    broken = Broken(("order-1", bad))
    start(rig, broken)
    send(rig, 1, 4, 3)
    send(rig, 1, 3, key="order-2")
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 3, rig.parked)
    send(rig, 2)
    wait_until(lambda: "permanent: DataError" in reasons(rig), rig.parked)
    send(rig, 2, key="order-2")
    wait_until(lambda: numbers(rig, "order-2") == [1, 2, 3], rig.parked)
    assert numbers(rig) == list(range(1, bad))

    broken.at.clear()
    replay(rig)
    wait_until(lambda: rig.all_applied() and not rig.parked(), rig.parked)
    assert numbers(rig) == [1, 2, 3, 4]


@pytest.mark.parametrize("page", [2, 2_000])
def test_a_replay_goes_in_versions_though_the_missing_one_came_last(
    rig: Rig, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbox.consumer.quarantine.release.PAGE", page)
    picky = Picky(("order-1", 2))
    start(rig, picky)
    send(rig, 1, 4, 6, 3)
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 3, rig.parked)
    send(rig, 2)
    wait_until(lambda: "no such customer" in reasons(rig), rig.parked)
    picky.refused.clear()
    replay(rig)
    wait_until(lambda: rig.all_applied() and not rig.parked(), rig.parked)
    assert numbers(rig) == [1, 2, 3, 4, 6]


def test_what_waits_in_vain_hides_neither_later_keys_nor_a_version_far_behind(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbox.consumer.quarantine.version_release.PAGE", 2)
    start(rig, wait_s=0.05)
    for number in range(10, 20):
        send(rig, 3, key=f"order-{number}")
    wait_until(
        lambda: reasons(rig) == ["waited in vain for version 1: policy:search.versions.wait_s=0.05"] * 10, rig.parked
    )
    send(rig, 1, 6, 5, 4, 3)
    wait_until(lambda: rig.caught_up() and len(rig.parked()) == 14, rig.parked)
    send(rig, 2)
    wait_until(lambda: numbers(rig) == [1, 2, 3, 4, 5, 6], rig.parked)
    assert len(rig.parked()) == 10


def test_work_before_the_transaction_cannot_wait(rig: Rig) -> None:
    work = InParallel(lambda _: Disposition.APPLIED, hands=1)
    with pytest.raises(ConfigurationError, match="versions and samples are judged"):
        start(rig, work)


def test_who_is_to_wait_for_versions_must_say_how_far_it_has_come(rig: Rig) -> None:
    with pytest.raises(ConfigurationError, match="give progress="):
        rig.runtime(settings=replace(QUICK, versions=Versions(60.0)))
