"""Policies that keep every rule, to break one at a time."""

from outbox.policy import (
    DuplicateImpact,
    Expired,
    Loss,
    Placed,
    Policy,
    Sampling,
    ServiceClass,
)

STANDARD = Policy(
    flow="mails",
    loss=Loss.LOSSLESS,
    deadline_s=600.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMFUL,
    duplicate_guard="claim",
    ordering_scope="order",
    throttling_unit="vendor",
    degrade_order=None,
    queue_bound=1_000,
    queue_reason="ten seconds of work",
)
CRITICAL = Policy(
    flow="payment",
    loss=Loss.LOSSLESS,
    deadline_s=60.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMFUL,
    duplicate_guard="claim",
    ordering_scope="order",
    throttling_unit="vendor",
    degrade_order=None,
    queue_bound=1_000,
    queue_reason="ten seconds of work",
    service_class=ServiceClass.CRITICAL,
)
BULK = Policy(
    flow="search",
    loss=Loss.DEFERRABLE,
    deadline_s=3_600.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMLESS,
    duplicate_guard="",
    ordering_scope="order",
    throttling_unit="tenant",
    degrade_order=2,
    queue_bound=1_000,
    queue_reason="ten seconds of work",
    service_class=ServiceClass.BULK,
)
LOSSY = Policy(
    flow="advice",
    loss=Loss.LOSSY,
    deadline_s=86_400.0,
    replayable=True,
    duplicate_impact=DuplicateImpact.HARMLESS,
    duplicate_guard="",
    ordering_scope="order",
    throttling_unit="tenant",
    degrade_order=1,
    queue_bound=1_000,
    queue_reason="ten seconds of work",
    service_class=ServiceClass.BULK,
    expired=Expired.DROP,
    sampling=Sampling(keep=0.1, above_s=60.0),
    rebuild=("strangler", "rebuild", "advice"),
)
GOOD = (STANDARD, CRITICAL, BULK, LOSSY)


def place(
    policy: Policy,
    *,
    name: str = "",
    group: str = "",
    pool: str = "",
    reads: tuple[str, ...] = ("order",),
    writes: tuple[str, ...] = (),
    partitions: int = 4,
    retention_s: float = 7 * 86_400.0,
) -> Placed:
    """In a place of its own."""
    flow = policy.flow
    return Placed(name or flow, policy, group or flow, pool or flow, reads, writes, partitions, retention_s)
