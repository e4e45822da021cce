"""Whether stored positions are in the log as it is now: of the same topic, and between its first and its last offset.

Pure. A member, `outbox lag`, `outbox positions` and a backfill all ask here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from outbox.kafka.port import TopicPartition, TopicState


def why_lost(
    partition: TopicPartition,
    offsets: Collection[int],
    incarnations: Collection[str],
    state: TopicState | None,
    log_range: Callable[[TopicPartition], tuple[int, int]],
) -> str | None:
    """In words, why a member that is given the partition would stop there; None if it would not.

    `offsets` and `incarnations` as its lanes have stored them; `state`: None where the broker has no such topic.
    `log_range` is asked only where it matters.
    """
    if state is None:
        return "the broker has no topic of that name"
    if partition.partition >= state.partitions:
        return f"the topic was made again, with {state.partitions} partitions"
    return of_another(incarnations, state.incarnation) or outside(offsets, *log_range(partition))


def of_another(incarnations: Collection[str], incarnation: str) -> str | None:
    """Where they were not all stored for this topic, but for one of its name that was deleted.

    >>> of_another(["a", "a"], "a"), of_another(["a"], "b")
    (None, "it is stored for incarnation 'a', the topic has 'b': it was deleted and made again")
    """
    others = sorted({*incarnations} - {incarnation})
    if not others:
        return None
    stored = ", ".join(map(repr, others))
    return f"it is stored for incarnation {stored}, the topic has {incarnation!r}: it was deleted and made again"


def outside(offsets: Collection[int], start: int, end: int) -> str | None:
    """Where one is below the log's start or beyond its end.

    >>> outside([4, 2], 0, 4), outside([7, 7], 0, 4), outside([4, 9], 0, 4)
    (None, 'it stands at offset 7, the log holds 0 to 4', 'its lanes stand at 4 to 9, the log holds 0 to 4')
    """
    lowest, highest = min(offsets), max(offsets)
    if start <= lowest <= highest <= end:
        return None
    stands = f"it stands at offset {lowest}" if lowest == highest else f"its lanes stand at {lowest} to {highest}"
    return f"{stands}, the log holds {start} to {end}"
