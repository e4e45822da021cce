"""The contexts of the sample: what each one is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import new_services.notification.decide as notification
import new_services.recommendation.decide as recommendation
import new_services.search.decide as search
from new_services.notification.effects import MailVendor
from new_services.notification.policy import POLICY as NOTIFICATION_POLICY
from new_services.order_event import OrderEvent, parse
from new_services.recommendation.effects import apply_writes as write_baskets
from new_services.recommendation.policy import POLICY as RECOMMENDATION_POLICY
from new_services.search.effects import apply_writes as write_documents
from new_services.search.policy import POLICY as SEARCH_POLICY
from outbox.checkpoints import Checkpoints
from outbox.event import Event
from outbox.policy import FlowPolicy
from strangler.step.apply import ApplyWrites, write_nothing
from strangler.step.handler import StepHandler
from strangler.step.intents import Intent
from strangler.step.vendor import Vendor


@dataclass(frozen=True, slots=True)
class Service:
    """A context: its name is its step, its Postgres schema and its consumer group. `topics` are aggregate types."""

    name: str
    policy: FlowPolicy
    decide: Callable[[OrderEvent], Sequence[Intent]]
    apply_writes: ApplyWrites
    topics: tuple[str, ...] = ("order",)
    mails: bool = False

    def handler(self, checkpoints: Checkpoints | None = None) -> StepHandler:
        def decide(event: Event) -> Sequence[Intent]:
            return self.decide(parse(event))

        return StepHandler(self.name, decide, self.apply_writes, checkpoints=checkpoints)

    def vendors(self, vendors_url: str) -> Mapping[str, Vendor]:
        """Whom this context calls; empty = it has no external effects."""
        return {notification.VENDOR: MailVendor(vendors_url)} if self.mails else {}


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service("notification", NOTIFICATION_POLICY, notification.decide, write_nothing, mails=True),
        Service("search", SEARCH_POLICY, search.decide, write_documents),
        Service("recommendation", RECOMMENDATION_POLICY, recommendation.decide, write_baskets),
    )
}
