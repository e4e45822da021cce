"""A short run of poison beside healthy events: parked, replayed, and everything there once, in its key's order."""

from __future__ import annotations

from tests.faults.poison import run_poison
from tests.integration.kafka_rig import rig_on_kafka


def test_poison_loses_doubles_and_reorders_nothing_and_all_of_it_is_replayed(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    with rig_on_kafka(database, bootstrap, topic_prefix) as rig:
        report = run_poison(rig, bootstrap, rate=200, seconds=2.0, rounds=1)

    assert (report.violations, report.lost, report.doubled) == (0, 0, 0), report
    assert report.parked > report.poisoned > 0, report
    assert report.measured > 0, report
