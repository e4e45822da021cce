"""A consumer group of the in-memory broker: who is a member, and who owns which partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from outbox.kafka.port import TopicPartition


@dataclass(slots=True, eq=False)
class Member:
    """`owned`: told to the member and not yet taken back. `evicted`: the group went on without it."""

    topics: tuple[str, ...]
    owned: set[TopicPartition] = field(default_factory=set)
    target: set[TopicPartition] = field(default_factory=set)
    evicted: bool = False


@dataclass(slots=True)
class Group:
    """Cooperative: a partition moves when its owner has let go of it, or was evicted."""

    members: list[Member] = field(default_factory=list)
    committed: dict[TopicPartition, int] = field(default_factory=dict)

    def join(self, member: Member, partitions: Mapping[str, int]) -> None:
        member.evicted = False
        member.owned, member.target = set(), set()
        self.members.append(member)
        self.balance(partitions)

    def leave(self, member: Member, partitions: Mapping[str, int]) -> None:
        if member in self.members:
            self.members.remove(member)
            member.owned, member.target = set(), set()
            self.balance(partitions)

    def evict(self, member: Member, partitions: Mapping[str, int]) -> None:
        """The member is not told; it finds out at its next poll."""
        owned = set(member.owned)
        self.leave(member, partitions)
        member.owned, member.evicted = owned, True

    def balance(self, partitions: Mapping[str, int]) -> None:
        """Range assignment over the members in order of joining."""
        for member in self.members:
            member.target = set()
        for topic, count in sorted(partitions.items()):
            takers = [member for member in self.members if topic in member.topics]
            for place, member in enumerate(takers):
                first, last = count * place // len(takers), count * (place + 1) // len(takers)
                member.target |= {TopicPartition(topic, number) for number in range(first, last)}

    def revoked(self, member: Member) -> Sequence[TopicPartition]:
        return sorted(member.owned if member.evicted else member.owned - member.target)

    def added(self, member: Member) -> Sequence[TopicPartition]:
        """New for the member, and free."""
        taken = {partition for other in self.members for partition in other.owned}
        return sorted(member.target - taken)
