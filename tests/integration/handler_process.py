"""Handles one placed order in a process of its own: `python -m tests.integration.handler_process STEP ORDER_REF`."""

from __future__ import annotations

import os
import sys

from outbox.fault_points import FaultPoints
from tests.integration.contexts import connect
from tests.support.orders import placed, received
from tests.support.services import SERVICES

if __name__ == "__main__":
    _, step, order_ref = sys.argv
    with connect(os.environ["STRANGLER_DSN"], step) as connection:
        handler = SERVICES[step].handler(FaultPoints.from_environ(os.environ))
        handler(connection, received([placed(order_ref, f"{step}=new")]))
