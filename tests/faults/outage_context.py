"""`python -m tests.faults.outage_context NAME FACTOR`: a context whose clock of retries runs faster by one factor.

Faster are: backoffs and delays, the breakers' windows and rests, the budget's lifetime and its floor per second, the
vendor's timeout. As they are: the pace, Retry-After (whole seconds, by HTTP), Kafka's and the database's times.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from new_services.payment.decide import VENDOR
from new_services.payment.effects import PaymentVendor
from new_services.services import SERVICES, Service
from new_services.wiring import read_settings, run, runtime_settings
from outbox.consumer import BreakerRule, RetryRule
from strangler.step.effects import SenderSettings

TIMEOUT_S = 5.0  # the payment vendor's, as it is by default


def main(name: str, factor: float) -> None:
    service = SERVICES[name]
    consuming, sending = runtime_settings(service.policy), SenderSettings()
    run(
        _with_quick_vendor(service, factor) if name == "payment" else service,
        read_settings(os.environ, lanes=None),
        consuming=replace(consuming, retry=_retry(consuming.retry, factor)),
        sending=replace(
            sending,
            poll_s=sending.poll_s / factor,
            backoff_base_s=sending.backoff_base_s / factor,
            backoff_cap_s=sending.backoff_cap_s / factor,
            lease_margin_s=sending.lease_margin_s / factor,
            breaker=_breaker(sending.breaker, factor),
        ),
    )


def _retry(rule: RetryRule, factor: float) -> RetryRule:
    return replace(
        rule,
        base_s=rule.base_s / factor,
        cap_s=rule.cap_s / factor,
        defer_s=rule.defer_s / factor,
        budget=replace(rule.budget, floor_per_s=rule.budget.floor_per_s * factor, ttl_s=rule.budget.ttl_s / factor),
        breaker=_breaker(rule.breaker, factor),
    )


def _breaker(rule: BreakerRule, factor: float) -> BreakerRule:
    return replace(
        rule,
        window_s=rule.window_s / factor,
        rest_s=rule.rest_s / factor,
        rest_cap_s=rule.rest_cap_s / factor,
        overload_rest_s=rule.overload_rest_s / factor,
    )


def _with_quick_vendor(service: Service, factor: float) -> Service:
    assert service.step is not None
    step = replace(service.step, vendors=lambda url: {VENDOR: PaymentVendor(url, timeout_s=TIMEOUT_S / factor)})
    return replace(service, step=step)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
