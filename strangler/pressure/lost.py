"""Partitions that stand still until a person decides: their stored position is not in the log any more."""

from __future__ import annotations

from collections.abc import Sequence

from outbox.connection import PsycopgConnection
from outbox.kafka.port import Admin, Reader, TopicPartition

PLACES = """
SELECT topic, partition, min(next_offset), max(next_offset), array_agg(DISTINCT incarnation) FROM position
WHERE group_name = %(group)s AND topic = ANY(%(topics)s) GROUP BY topic, partition ORDER BY topic, partition"""


def lost(
    connection: PsycopgConnection, group: str, topics: Sequence[str], admin: Admin, reader: Reader
) -> list[TopicPartition]:
    """As a member of the group finds it when it is given the partition: another incarnation, or outside the log."""
    states = admin.describe(topics)
    found = []
    rows = connection.execute(PLACES, {"group": group, "topics": list(topics)}).fetchall()
    for topic, number, lowest, highest, incarnations in rows:
        partition = TopicPartition(topic, number)
        state = states.get(topic)
        if state is None or number >= state.partitions:
            found.append(partition)
            continue
        start, end = reader.log_range(partition)
        if incarnations != [state.incarnation] or lowest < start or highest > end:
            found.append(partition)
    return found
