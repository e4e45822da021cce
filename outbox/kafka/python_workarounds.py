"""What kafka-python 3.0.12 gets wrong for a consumer that polls shortly and pauses often, mended from outside.

Remove each piece when its test in `tests/contracts` passes without it.
"""

from __future__ import annotations

from kafka import KafkaConsumer
from kafka import TopicPartition as ClientPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.future import Future


class Joining:
    """Joins the group on the client's IO thread, however short the polls are.

    Driven by `poll`, a join whose answer comes between two polls is thrown away and begun anew, so that two members
    can push each other out for long; one that began for new metadata is even forgotten: no partitions, no heartbeats,
    and after the session no membership.
    """

    def __init__(self, client: KafkaConsumer) -> None:
        self._client = client
        self._join: Future | None = None

    def settled(self, timeout_s: float) -> bool:
        """True when no join is under way; begins one if it is needed and waits so long for it."""
        coordinator = self._client._coordinator
        if self._join is None and (coordinator.rejoining or coordinator.need_rejoin()):
            coordinator.request_rejoin()
            self._join = self._client._manager.call_soon(coordinator.ensure_active_group_async, None)
        return self.ended(timeout_s)

    def ended(self, timeout_s: float) -> bool:
        """The same without beginning one. A join that outlives its client leaves a ghost in the group."""
        if self._join is None:
            return True
        try:
            self._client._net.run(self._client._manager.wait_for, self._join, timeout_s * 1000)
        except KafkaTimeoutError:
            return False
        except KafkaError:
            self._join = None
            raise
        self._join = None
        return True


def unpark(client: KafkaConsumer) -> None:
    """Let partitions go on that were paused with fetched records in hand.

    The client takes them up again only while no other partition is in the works, and leaves a finished one standing
    there; it does not fetch them either, so nothing would ever move again.
    """
    fetcher = client._fetcher
    if fetcher._next_partition_records is not None and not fetcher._next_partition_records:
        fetcher._next_partition_records = None


def position_of(client: KafkaConsumer, partition: ClientPartition) -> int:
    """The next offset to be read; 0 where there is none, or the IO thread has just taken the partition away.

    The client's own `position` looks each time whether any partition must be reset or checked, as every poll does:
    asked for all of them twenty times a second, it was a quarter of an idle consumer's work.
    """
    held = client._subscription.assignment.get(partition)
    return 0 if held is None or held.position is None else int(held.position.offset)
