"""The proof from the data: orders of a running shop, and histories that a shop must never have."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from legacy_app.plan.choreography import choreography
from outbox import Event, append
from outbox.connection import PsycopgConnection
from outbox.event import uuid7
from strangler.choreography import ChoreographyAudit, Standing, SubjectVerdict, audit
from strangler.cli import main
from strangler.errors import BadPlan
from strangler.local.stack import Stack
from strangler.step.intents import Json
from tests.integration.legacy_shop import LINES, Shop, open_shop, order
from tests.integration.new_side import REFUSALS, say, until
from tests.support.orders import TOPICS

PLAN_FILE = Path(__file__).resolve().parents[2] / "legacy_app" / "plan" / "plan.py"
ADD_ORDER = """
INSERT INTO legacy.orders (order_ref, client_ref, channel, country, placed_at, status, total_minor)
VALUES (%(ref)s, %(ref)s, 'web', 'UK', '2011-06-01T08:26:00', %(status)s, 950)"""
PARK = """
INSERT INTO inventory.quarantine (group_name, topic, incarnation, partition, "offset", key, reason)
VALUES ('inventory', 'fraud', 'i', 0, 7, %(key)s, 'KeyError: lines')"""
# As the new payment would say it of the order that legacy has reserved for.
REFUSE = """
INSERT INTO outbox.outbox (id, aggregatetype, aggregateid, aggregate_version, type, context, payload)
SELECT %(id)s, 'payment', aggregateid, 1, 'PaymentRefused', context,
       convert_to(jsonb_set(convert_from(payload, 'UTF8')::jsonb, '{outcome}', %(outcome)s::jsonb)::text, 'UTF8')
FROM outbox.outbox WHERE type = 'StockReserved' AND aggregateid = 'refused'"""
THOUSAND = """
INSERT INTO legacy.orders (order_ref, client_ref, channel, country, placed_at, status, total_minor)
SELECT 'o' || number, 'c', 'web', 'UK', '2011', 'placed', 1 FROM generate_series(1, 1000) AS number"""
Check = Callable[..., tuple[int, Json]]


@pytest.fixture
def connection(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as opened:
        yield opened


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """`strangler choreography check --json`: its exit code and its data."""

    def run(dsn: str) -> tuple[int, Json]:
        code = main(["choreography", "check", "--json", "--dsn", dsn, "--plan", str(PLAN_FILE)])
        return code, json.loads(capsys.readouterr().out)

    return run


def told(connection: PsycopgConnection, ref: str, *types: str, ago_s: float = 0.0) -> None:
    """These events, so long ago."""
    at_ms = int((time.time() - ago_s) * 1000)
    with connection.transaction():
        for type_ in types:
            topic = next(topic for prefix, topic in TOPICS.items() if type_.startswith(prefix))
            append(connection, Event(topic, ref, 1, type_, b"{}", id=uuid7(at_ms)))


def stored(connection: PsycopgConnection, ref: str, status: str) -> None:
    connection.execute(ADD_ORDER, {"ref": ref, "status": status})


def found(connection: PsycopgConnection) -> ChoreographyAudit:
    return audit(connection, choreography)


def only(connection: PsycopgConnection) -> SubjectVerdict:
    (finding,) = found(connection).findings
    return finding


def test_orders_of_a_running_shop_end_or_are_under_way(
    stack: Stack, tmp_path: Path, check: Check, connection: PsycopgConnection
) -> None:
    with open_shop(stack, tmp_path, LEGACY_WAIT_S="20") as shop, ThreadPoolExecutor(1) as pool:
        place(shop, "legacy", ())
        place(shop, "cancelled", ())
        assert shop.cancel("cancelled", "C1", ("A", 1)).status_code == 201
        # Legacy has reserved when the new side refuses: it gives back without an event.
        waiting = pool.submit(place, shop, "refused", ["payment"])
        until(shop.dsn, "SELECT FROM strangler.continuation WHERE subject_ref = 'refused'")
        with psycopg.connect(shop.dsn) as new_side:
            new_side.execute(REFUSE, {"id": uuid7(), "outcome": json.dumps(REFUSALS["payment"])})
        say(shop.dsn, "refused", "payment", refused=True)
        assert waiting.result() == 402
        # Nobody answers this one.
        waiting = pool.submit(place, shop, "waiting", ["inventory"])
        until(shop.dsn, "SELECT FROM strangler.continuation WHERE subject_ref = 'waiting'")

        code, data = check(shop.dsn)
        say(shop.dsn, "waiting", "inventory")
        assert waiting.result() == 201

    assert code == 0
    assert data["graph"] == {"proved": True, "problems": []}
    counts = {standing: count for standing, count in data["subjects"]["counts"].items() if count}
    assert counts == {"done": 2, "compensated": 1, "under_way": 1}


def place(shop: Shop, ref: str, new: Sequence[str]) -> int:
    header = ", ".join(["epoch=3", *(f"{step}=new" for step in new)])
    return shop.place(order(ref, *LINES), Strangler_Order_Ref=ref, Strangler_Ownership=header).status_code


def test_a_stuck_order_is_named_with_the_step_it_waits_for_and_what_explains_it(
    connection: PsycopgConnection, database: str, check: Check
) -> None:
    stored(connection, "slow", "pending")
    told(connection, "slow", "OrderReceived", "FraudCleared", "StockReserved", ago_s=121.0)
    connection.execute(
        "INSERT INTO strangler.continuation (subject_ref, waits_for, wait_until) VALUES ('slow', 'payment', now())"
    )
    connection.execute(
        """INSERT INTO payment.effect (subject_ref, step, number, key, vendor, operation, body, state, attempts)
           VALUES ('slow', 'payment', 100, 'slow:payment:100', 'payments', 'charge', '{}', 'unknown', 3)"""
    )
    stored(connection, "quick", "pending")
    told(connection, "quick", "OrderReceived", "FraudCleared", "StockReserved", ago_s=30.0)

    code, data = check(database)

    assert code == 1
    (finding,) = data["subjects"]["findings"]
    assert (finding["subject_ref"], finding["standing"], finding["step"]) == ("slow", "stuck", "payment")
    waited = re.match(
        r"waits for payment since StockReserved, (\d+) s of 120 s; order: continuation behind", finding["said"]
    )
    assert waited
    assert int(waited[1]) >= 121
    assert "payment: charge planned at" in finding["said"]
    assert finding["said"].endswith("is unknown after 3 attempts")
    assert data["subjects"]["counts"]["under_way"] == 1


def test_a_parked_order_is_at_an_end_that_a_person_has_to_change(
    connection: PsycopgConnection, database: str, check: Check
) -> None:
    stored(connection, "poison", "pending")
    told(connection, "poison", "OrderReceived", "FraudCleared", ago_s=500.0)
    connection.execute(PARK, {"key": b"poison"})

    assert only(connection) == SubjectVerdict(
        "poison", Standing.QUARANTINED, "inventory", "inventory has parked it: KeyError: lines"
    )
    assert check(database)[0] == 0

    connection.execute("UPDATE inventory.quarantine SET resolved_at = now()")
    assert only(connection).standing is Standing.STUCK


def test_payment_taken_order_missing_is_found_in_the_data(
    connection: PsycopgConnection, database: str, check: Check
) -> None:
    told(connection, "ghost", "OrderReceived", "FraudCleared", "StockReserved", "PaymentTaken")

    finding = only(connection)
    assert finding.standing is Standing.CONTRADICTION
    assert "'payment taken, order missing'" in finding.said
    assert check(database)[0] == 1


def test_an_order_whose_event_was_never_appended_is_found(connection: PsycopgConnection) -> None:
    stored(connection, "mute", "pending")
    assert only(connection).said == "it is under way, and no event has told anybody"


def test_a_rejected_order_whose_money_was_not_given_back_is_stuck(connection: PsycopgConnection) -> None:
    stored(connection, "poor", "rejected")
    told(connection, "poor", "OrderReceived", "FraudCleared", "StockReserved", "PaymentTaken", ago_s=190.0)
    told(connection, "poor", "OrderRejected", "StockReleased", ago_s=130.0)
    assert (only(connection).standing, only(connection).step) == (Standing.STUCK, "payment")

    told(connection, "poor", "PaymentRefunded")
    assert found(connection).counts[Standing.COMPENSATED] == 1
    assert found(connection).proved


def test_a_thousand_orders_are_judged_in_one_snapshot(connection: PsycopgConnection) -> None:
    connection.execute(THOUSAND)
    stored(connection, "quick", "placed")
    told(connection, "quick", "OrderReceived", "FraudCleared", "StockReserved", "PaymentTaken", "OrderPlaced")
    whole = found(connection)
    assert whole.counts[Standing.DONE] == 1001
    assert whole.findings == []
    assert [len(seconds) for seconds in whole.took_s.values()] == [1]  # of the others no event is known


def test_how_long_orders_take_is_written_for_prometheus(
    connection: PsycopgConnection, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(connection, "slow", "placed")
    told(connection, "slow", "OrderReceived", "FraudCleared", "StockReserved", "PaymentTaken", ago_s=20.0)
    told(connection, "slow", "OrderPlaced", ago_s=8.0)
    given = [
        "choreography",
        "check",
        "--dsn",
        database,
        "--plan",
        str(PLAN_FILE),
        "--metrics",
        str(tmp_path / "w.prom"),
    ]
    assert main(given) == 0
    lines = (tmp_path / "w.prom").read_text().splitlines()
    assert 'workflow_completion_seconds_bucket{workflow="order",end="done",le="5.0"} 0' in lines
    assert 'workflow_completion_seconds_bucket{workflow="order",end="done",le="15.0"} 1' in lines
    assert 'workflow_subjects{workflow="order",standing="done"} 1' in lines
    assert main([*given, "--graph-only"]) == 2
    assert "--graph-only looks at none" in capsys.readouterr().err


def test_without_readers_the_data_is_not_said_to_be_well(connection: PsycopgConnection) -> None:
    with pytest.raises(BadPlan, match="no readers"):
        audit(connection, replace(choreography, readers=None))
