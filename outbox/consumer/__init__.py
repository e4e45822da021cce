"""The consumer runtime: lanes, positions and dispositions around a handler. A name is loaded when it is first used."""

from typing import TYPE_CHECKING

from outbox.lazy import names_from

if TYPE_CHECKING:
    from outbox.consumer.gc_tuning import rarely_collected as rarely_collected
    from outbox.consumer.handler import Disposition as Disposition
    from outbox.consumer.handler import Handler as Handler
    from outbox.consumer.handler import InParallel as InParallel
    from outbox.consumer.handler import Poison as Poison
    from outbox.consumer.middleware.expiry import Expiry as Expiry
    from outbox.consumer.middleware.shedding import Shedding as Shedding
    from outbox.consumer.middleware.versions import Done as Done
    from outbox.consumer.middleware.versions import VersionProgress as VersionProgress
    from outbox.consumer.partitions.bounds import Bound as Bound
    from outbox.consumer.partitions.lanes import lane_of as lane_of
    from outbox.consumer.partitions.watchdog import Patience as Patience
    from outbox.consumer.retry.breaker import BreakerRule as BreakerRule
    from outbox.consumer.retry.budget import RetryBudget as RetryBudget
    from outbox.consumer.retry.credits import BudgetRule as BudgetRule
    from outbox.consumer.retry.flood import FloodRule as FloodRule
    from outbox.consumer.retry.rule import Overloaded as Overloaded
    from outbox.consumer.retry.rule import Trouble as Trouble
    from outbox.consumer.runtime import ConsumerRuntime as ConsumerRuntime
    from outbox.consumer.settings import Metric as Metric
    from outbox.consumer.settings import Observe as Observe
    from outbox.consumer.settings import RuntimeSettings as RuntimeSettings

_HOMES = {
    "Bound": "outbox.consumer.partitions.bounds",
    "BreakerRule": "outbox.consumer.retry.breaker",
    "BudgetRule": "outbox.consumer.retry.credits",
    "ConsumerRuntime": "outbox.consumer.runtime",
    "Disposition": "outbox.consumer.handler",
    "Done": "outbox.consumer.middleware.versions",
    "Expiry": "outbox.consumer.middleware.expiry",
    "FloodRule": "outbox.consumer.retry.flood",
    "Handler": "outbox.consumer.handler",
    "InParallel": "outbox.consumer.handler",
    "Metric": "outbox.consumer.settings",
    "Observe": "outbox.consumer.settings",
    "Overloaded": "outbox.consumer.retry.rule",
    "Patience": "outbox.consumer.partitions.watchdog",
    "Poison": "outbox.consumer.handler",
    "RetryBudget": "outbox.consumer.retry.budget",
    "RuntimeSettings": "outbox.consumer.settings",
    "Shedding": "outbox.consumer.middleware.shedding",
    "Trouble": "outbox.consumer.retry.rule",
    "VersionProgress": "outbox.consumer.middleware.versions",
    "lane_of": "outbox.consumer.partitions.lanes",
    "rarely_collected": "outbox.consumer.gc_tuning",
}
__all__ = list(_HOMES)

if not TYPE_CHECKING:  # else every misspelled name would have a type
    __getattr__, __dir__ = names_from(__name__, _HOMES)
