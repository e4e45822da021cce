"""The consumer runtime: lanes, positions and dispositions around a handler."""

from outbox.consumer.bounds import Bound
from outbox.consumer.breaker import BreakerRule
from outbox.consumer.budget import RetryBudget
from outbox.consumer.credits import BudgetRule
from outbox.consumer.expiry import Expiry
from outbox.consumer.flood import FloodRule
from outbox.consumer.handler import Disposition, Handler, InParallel, Poison
from outbox.consumer.lanes import lane_of
from outbox.consumer.retry import Overloaded, RetryRule, Trouble
from outbox.consumer.runtime import ConsumerRuntime
from outbox.consumer.settings import Metric, Observe, RuntimeSettings
from outbox.consumer.versions import Versions
from outbox.consumer.watchdog import Patience

__all__ = [
    "Bound",
    "BreakerRule",
    "BudgetRule",
    "ConsumerRuntime",
    "Disposition",
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
    "RetryRule",
    "RuntimeSettings",
    "Trouble",
    "Versions",
    "lane_of",
]
