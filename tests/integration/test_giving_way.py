"""A live context takes less from its own log while the one that it feeds is behind, says so, and goes on."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import psycopg
import pytest

from outbox.kafka.python_admin import PythonAdmin
from strangler.cli import main
from strangler.local.stack import Stack
from tests.integration.contexts import rows
from tests.integration.test_replay_rebuild import environ, late, publish, running
from tests.support.orders import cancelled as any_cancelled
from tests.support.waiting import wait_until

__all__ = ["environ"]  # the fixture

cancelled = partial(any_cancelled, owners="inventory=shadow", version=1)
HANDLED = "SELECT count(*)::integer FROM inventory.intent"
GIVES_WAY = """
SELECT detail FROM inventory.member, jsonb_to_recordset(standing) AS one (cause text, detail text)
WHERE cause = 'gives_way'"""
EVENTS = 400


@pytest.mark.timeout(300)
def test_a_live_context_takes_less_while_whom_it_feeds_is_behind_and_goes_on(
    stack: Stack,
    database: str,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with closing(PythonAdmin(environ["KAFKA_BOOTSTRAP"])) as admin:
        admin.ensure_topics({environ["OUTBOX_TOPIC_PREFIX"] + topic: 1 for topic in ("fraud", "inventory", "payment")})
    with running(stack, environ, "inventory") as upstream, running(stack, environ, "payment"):
        with psycopg.connect(database) as connection:
            connection.execute("LOCK TABLE payment.claim")  # payment's handler waits for it
            publish(environ, *late("StockReserved", "payment=new"))
            wait_until(lambda: len(rows(database, GIVES_WAY)) == 1, within_s=90)
            publish(environ, *(cancelled(f"o{number:03}") for number in range(EVENTS)))

            wait_until(lambda: rows(database, HANDLED)[0][0] >= 3, within_s=90)  # it never stands still

            assert rows(database, HANDLED)[0][0] < EVENTS / 2, "and it takes one a second"
            assert rows(database, GIVES_WAY)[0][0].startswith("to payment, whose live events wait 6")
            assert main(["pressure"]) == 1, "payment has broken its promise"
            assert "the group gives way to payment" in capsys.readouterr().out
            connection.rollback()
        wait_until(lambda: rows(database, HANDLED) == [(EVENTS,)], lambda: rows(database, HANDLED), within_s=120)
        wait_until(lambda: rows(database, GIVES_WAY) == [], within_s=90)
    said = upstream.log_path.read_text()
    assert '"to": "payment"' in said, said
    assert said.index("gives_way") < said.index("goes_on")
