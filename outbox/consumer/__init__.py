"""The consumer runtime: lanes, positions and dispositions around a handler."""

from outbox.consumer.gc_tuning import rarely_collected
from outbox.consumer.handler import Disposition, Handler, InParallel, Poison
from outbox.consumer.middleware.expiry import Expiry
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.middleware.versions import Done, VersionProgress
from outbox.consumer.partitions.bounds import Bound
from outbox.consumer.partitions.lanes import lane_of
from outbox.consumer.partitions.watchdog import Patience
from outbox.consumer.retry.breaker import BreakerRule
from outbox.consumer.retry.budget import RetryBudget
from outbox.consumer.retry.credits import BudgetRule
from outbox.consumer.retry.flood import FloodRule
from outbox.consumer.retry.rule import Overloaded, Trouble
from outbox.consumer.runtime import ConsumerRuntime
from outbox.consumer.settings import Metric, Observe, RuntimeSettings

__all__ = [
    "Bound",
    "BreakerRule",
    "BudgetRule",
    "ConsumerRuntime",
    "Disposition",
    "Done",
    "Expiry",
    "FloodRule",
    "Handler",
    "InParallel",
    "Metric",
    "Observe",
    "Overloaded",
    "Patience",
    "Poison",
    "RetryBudget",
    "RuntimeSettings",
    "Shedding",
    "Trouble",
    "VersionProgress",
    "lane_of",
    "rarely_collected",
]
