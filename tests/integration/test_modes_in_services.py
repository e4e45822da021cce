"""A running service heeds the mode that holds: its vendors get less, and all again when it is over."""

from __future__ import annotations

import sys

import psycopg
import pytest
import requests

from outbox.told import Told
from strangler import Mode
from strangler.local.process import Running
from strangler.local.stack import Stack
from strangler.modes.table import declare, end
from tests.integration.test_replay_rebuild import environ
from tests.support.waiting import wait_until

__all__ = ["environ"]  # the fixture

RATE = 'effect_rate_limit{context="notification",vendor="mail"}'
ANN = Told("ann", "black friday")


@pytest.mark.timeout(180)
def test_notifications_mails_are_fewer_at_a_peak(stack: Stack, database: str, environ: dict[str, str]) -> None:
    address = f"127.0.0.1:{stack.take_port()}"
    argv = (sys.executable, "-m", "strangler", "run", "notification", "--lanes", "3")
    environ = {**environ, "OUTBOX_METRICS_ADDRESS": address}
    process = stack.spawn(f"notification-{environ['OUTBOX_GROUP_PREFIX']}", argv, env=environ, ready=Running.said_ready)

    def rate() -> str:
        page = requests.get(f"http://{address}/metrics", timeout=30).text.splitlines()
        return next((line.removeprefix(RATE).strip() for line in page if line.startswith(RATE)), "")

    try:
        wait_until(lambda: rate() == "0", rate)
        with psycopg.connect(database) as connection:
            declare(connection, Mode("peak", longest_s=600), 600, ANN)
        wait_until(lambda: rate() == "20", rate)
        with psycopg.connect(database) as connection:
            end(connection, ANN)
        wait_until(lambda: rate() == "0", rate)
    finally:
        process.terminate()
    said = process.log_path.read_text()
    assert said.index("mode_begins") < said.index("mode_ends")
