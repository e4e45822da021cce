"""What a DSN says of its sessions holds in every connection of the toolkit's, beside the limits that it sets itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from outbox.connection import PsycopgConnection
from outbox.relay.wal import connect_replication
from strangler.addresses import Addresses
from strangler.service import RunSettings

pytestmark = pytest.mark.no_kafka
SAYS = "?options=-c%20jit%3Doff"

OPENED: dict[str, Callable[[dict[str, str]], PsycopgConnection]] = {
    "judge": lambda environ: Addresses(environ).legacy(),
    "service": lambda environ: RunSettings.from_environ(environ).connect("search", autocommit=True),
    "relay": lambda environ: connect_replication(environ["STRANGLER_DSN"]),
}


@pytest.mark.parametrize("name", OPENED)
def test_what_a_dsn_says_of_its_sessions_holds(database: str, name: str) -> None:
    environ = {"STRANGLER_DSN": database + SAYS, "KAFKA_BOOTSTRAP": "127.0.0.1:1"}

    with closing(OPENED[name](environ)) as connection:
        assert connection.execute("SHOW jit").fetchone() == ("off",)
        limits = connection.execute("SHOW statement_timeout").fetchone()
    assert limits == {"judge": ("2min",), "service": ("30s",), "relay": ("0",)}[name]
