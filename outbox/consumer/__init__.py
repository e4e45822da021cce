"""The consumer runtime: lanes, positions and dispositions around a handler."""

from outbox.consumer.handler import Disposition, Handler, Poison
from outbox.consumer.lanes import Bound, lane_of
from outbox.consumer.runtime import ConsumerRuntime
from outbox.consumer.settings import Metric, Observe, RuntimeSettings
from outbox.consumer.watchdog import Patience

__all__ = [
    "Bound",
    "ConsumerRuntime",
    "Disposition",
    "Handler",
    "Metric",
    "Observe",
    "Patience",
    "Poison",
    "RuntimeSettings",
    "lane_of",
]
