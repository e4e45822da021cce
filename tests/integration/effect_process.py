"""A context's effect sender as a process of its own, to be stopped at a named point and killed there."""

from __future__ import annotations

import os
import sys

from new_services.services import SERVICES
from outbox.fault_points import FaultPoints
from strangler.step.effects import EffectSender, SenderSettings
from tests.integration.contexts import connect

if __name__ == "__main__":
    [name] = sys.argv[1:] or ["notification"]
    step = SERVICES[name].step
    if step is None or step.vendors is None:
        raise SystemExit(f"{name} sends nothing")
    EffectSender(
        connect=lambda: connect(os.environ["STRANGLER_DSN"], name),
        step=name,
        vendors=step.vendors(os.environ["VENDORS_URL"]),
        conclude=step.conclude,
        apply_writes=step.apply_writes,
        settings=SenderSettings(concurrency=2, poll_s=0.05),
        fault_points=FaultPoints.from_environ(os.environ),
    ).run()
