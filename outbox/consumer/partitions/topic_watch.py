"""A topic that is not there is said: a misspelled name looks like an idle one otherwise. Belongs to the poll thread."""

from __future__ import annotations

from collections.abc import Callable

from outbox.consumer.report import Report
from outbox.kafka.port import GroupMember

LOOK_EVERY_S = 1.0


class TopicWatch:
    """Says within seconds which subscribed topics the broker does not have, again every `again_s`, and when one came.

    Twice in a row, since a client that has just subscribed may hold an answer to an earlier question.
    """

    def __init__(self, consumer: GroupMember, report: Report, again_s: float, clock: Callable[[], float]) -> None:
        self._consumer, self._report, self._again_s, self._clock = consumer, report, again_s, clock
        self._since: dict[str, float] = {}
        self._said_at: dict[str, float] = {}
        self._look_at = clock()
        self.missed: set[str] = set()  # topics that were not there at some time

    def turn(self) -> None:
        """To be called after each poll; it looks once a second, and asks nobody."""
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY_S
        missing = set(self._consumer.missing())
        for topic in self._since.keys() - missing:
            del self._since[topic]
            if self._said_at.pop(topic, None) is not None:
                self._report.topic_found(topic)
        for topic in sorted(missing):
            since = self._since.setdefault(topic, now)
            if since < now:
                self.missed.add(topic)
            if since < now and now - self._said_at.get(topic, float("-inf")) >= self._again_s:
                self._said_at[topic] = now
                self._report.topic_missing(topic, now - since)
