"""A context's effect sender as a process of its own, to be stopped at a named point and killed there."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from outbox.fault_points import FaultPoints
from strangler import SmtpVendor
from strangler.step.effects import EffectSender, SenderSettings
from tests.integration.contexts import connect
from tests.support.services import SERVICES

if __name__ == "__main__":
    [name] = sys.argv[1:] or ["notification"]
    service = SERVICES[name]
    if os.environ.get("SMTP_URL"):
        service = replace(service, vendors={"mail": SmtpVendor("SMTP_URL", sender="shop@a.test")})
    EffectSender(
        connect=lambda: connect(os.environ["STRANGLER_DSN"], name),
        step=name,
        vendors=service.reached_vendors(os.environ),
        conclude=service.conclude,
        apply_writes=service.apply_writes,
        settings=SenderSettings(concurrency=2, poll_s=0.05),
        fault_points=FaultPoints.from_environ(os.environ),
    ).run()
