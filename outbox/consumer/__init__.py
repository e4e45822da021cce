"""The consumer runtime: lanes, positions and dispositions around a handler."""

from outbox.consumer.handler import Disposition, Handler, Poison
from outbox.consumer.lanes import Bound, lane_of
from outbox.consumer.runtime import ConsumerRuntime
from outbox.consumer.settings import Metric, Observe, RuntimeSettings

__all__ = [
    "Bound",
    "ConsumerRuntime",
    "Disposition",
    "Handler",
    "Metric",
    "Observe",
    "Poison",
    "RuntimeSettings",
    "lane_of",
]
