"""A topic's name that nobody has: said, while the other topics are read. The embedded Kafka claims to have any."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from outbox.consumer import Metric
from tests.integration.consumer_rig import Rig
from tests.integration.kafka_rig import rig_on_kafka
from tests.support.logs import lines_of
from tests.support.waiting import wait_until


@pytest.fixture
def rig(bootstrap: str, database: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix, partitions=2) as rig:
        yield rig


@pytest.mark.timeout(120)
def test_a_misspelled_topic_is_named_within_seconds_and_taken_up_when_it_comes(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    typo = f"{rig.topic}r"
    rig.beside = [typo]
    rig.send_many(keys=3, each=2)
    with caplog.at_level(logging.INFO, "outbox.consumer"):
        running = rig.runtime()
        wait_until(lambda: running.count(Metric.TOPIC_MISSING, typo) > 0, within_s=10)
        wait_until(rig.all_applied, rig.effects)
        assert running.count(Metric.TOPIC_MISSING) == 1, "the other is there"
        rig.admin.ensure_topics({typo: 1})
        rig.topic = typo
        rig.send("order-9", 1)
        wait_until(rig.all_applied, rig.effects)
        wait_until(
            lambda: {"topic_missing", "topic_found"} <= {one.message for one in lines_of(caplog, "outbox.consumer")}
        )
