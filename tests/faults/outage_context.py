"""`python -m tests.faults.outage_context NAME FACTOR`: a context whose clock of retries runs faster by one factor.

Faster are: backoffs and delays, the breakers' windows and rests, the budget's lifetime and its floor per second, the
vendor's timeout. As they are: the pace, Retry-After (whole seconds, by HTTP), Kafka's and the database's times.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from outbox.consumer import BreakerRule, RuntimeSettings
from strangler.service.serving import run
from strangler.service.settings import RunSettings
from strangler.step.effects import SenderSettings
from tests.support.services import SERVICES, with_vendors

TIMEOUT_S = 5.0  # the payment vendor's, as it is by default


def main(name: str, factor: float) -> None:
    service = SERVICES[name]
    consuming, sending = RuntimeSettings.of(service.policy), SenderSettings()
    run(
        with_vendors(service, timeout_s=TIMEOUT_S / factor),
        RunSettings.from_environ(os.environ),
        consuming=_quicker(consuming, factor),
        sending=replace(
            sending,
            poll_s=sending.poll_s / factor,
            backoff_base_s=sending.backoff_base_s / factor,
            backoff_cap_s=sending.backoff_cap_s / factor,
            lease_margin_s=sending.lease_margin_s / factor,
            breaker=_breaker(sending.breaker, factor),
        ),
    )


def _quicker(settings: RuntimeSettings, factor: float) -> RuntimeSettings:
    said = settings.retry
    retry = replace(
        said,
        base_s=said.base_s / factor,
        cap_s=said.cap_s / factor,
        budget_floor_per_s=said.budget_floor_per_s * factor,
    )
    return replace(
        settings,
        retry=retry,
        defer_s=settings.defer_s / factor,
        credit_s=settings.credit_s / factor,
        breaker=_breaker(settings.breaker, factor),
    )


def _breaker(rule: BreakerRule, factor: float) -> BreakerRule:
    return replace(
        rule,
        window_s=rule.window_s / factor,
        rest_s=rule.rest_s / factor,
        rest_cap_s=rule.rest_cap_s / factor,
        overload_rest_s=rule.overload_rest_s / factor,
    )


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
