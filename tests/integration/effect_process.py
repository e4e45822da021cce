"""An effect sender as a process of its own, to be stopped at a named point and killed there."""

from __future__ import annotations

import os

from new_services.notification.effects import MailVendor
from outbox.checkpoints import Checkpoints
from strangler.step.effects import EffectSender, SenderSettings
from tests.integration.contexts import connect

if __name__ == "__main__":
    EffectSender(
        connect=lambda: connect(os.environ["STRANGLER_DSN"], "notification"),
        step="notification",
        vendors={"mail": MailVendor(os.environ["VENDORS_URL"], timeout_s=2)},
        settings=SenderSettings(concurrency=2, poll_s=0.05),
        checkpoints=Checkpoints.from_environ(os.environ),
    ).run()
