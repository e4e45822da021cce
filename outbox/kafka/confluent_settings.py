"""How librdkafka is set up: like kafka-python here, so that a group may have members of both."""

from __future__ import annotations

from outbox.kafka.port import ISOLATION, GroupTiming

FETCH_WAIT_MS = 100
METADATA_AGE_MS = 10_000  # topics and partitions that are made later are noticed within it
# What was fetched of a partition is lost when it is paused, which happens many times a second under a backlog.
FETCHED_AHEAD_RECORDS = 5_000
FETCHED_AHEAD_KB = 16_384
FULL_REST_MS = 5  # until a full queue is looked at again; librdkafka's own second would starve us


def settings_of(bootstrap: str, group: str, timing: GroupTiming, client_id: str) -> dict[str, str | int | bool]:
    """librdkafka's own names. Times there are in milliseconds."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "client.id": client_id,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",  # a position outside the log is an error, never a silent re-read
        "enable.partition.eof": True,  # the only way to hear of a position beyond the last record
        "isolation.level": ISOLATION,
        "check.crcs": True,
        "allow.auto.create.topics": False,
        "partition.assignment.strategy": "range",
        "session.timeout.ms": round(timing.session_s * 1000),
        "heartbeat.interval.ms": round(timing.heartbeat_s * 1000),
        "max.poll.interval.ms": round(timing.max_poll_s * 1000),
        "fetch.wait.max.ms": FETCH_WAIT_MS,
        "topic.metadata.refresh.interval.ms": METADATA_AGE_MS,
        "queued.min.messages": FETCHED_AHEAD_RECORDS,
        "queued.max.messages.kbytes": FETCHED_AHEAD_KB,
        "fetch.queue.backoff.ms": FULL_REST_MS,
    }
