"""What stands before a handler, outermost first: missing versions, deadlines, samples."""

from __future__ import annotations

from dataclasses import dataclass

from outbox.consumer.handler import Answering
from outbox.consumer.middleware.expiring import Expiring
from outbox.consumer.middleware.expiry import Expiry
from outbox.consumer.middleware.sampled import Sampled
from outbox.consumer.middleware.shedding import Shedding
from outbox.consumer.middleware.versions import InVersions, VersionOrder
from outbox.consumer.report import Report


@dataclass(frozen=True, slots=True)
class Middleware:
    """As a context's policy says. Replays and what a person releases go past it, but for the versions."""

    expiry: Expiry | None
    versions: VersionOrder | None
    shedding: Shedding

    def __bool__(self) -> bool:
        """Whether anything stands there."""
        return not (self.expiry is None and self.versions is None and not self.shedding.samples)

    def before(self, handler: Answering, report: Report) -> Answering:
        """The handler with all of it."""
        if self.shedding.samples:
            handler = Sampled(handler, self.shedding, report)
        if self.expiry is not None:
            handler = Expiring(handler, self.expiry, self.shedding, report)
        return handler if self.versions is None else InVersions(handler, self.versions)
