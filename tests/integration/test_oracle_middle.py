"""What the oracle expects of orders in every state, from rows written by hand; and what it leaves to the seam."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
import pytest

from legacy_app.plan import oracle, oracle_middle
from legacy_app.plan.plan import plan
from outbox.connection import PsycopgConnection
from strangler.facts import KIND, TARGET, Fact

NEW, LEGACY = "epoch=3, fraud=new, inventory=new, payment=new", "epoch=3, search=shadow"
ORDER = """
INSERT INTO legacy.orders (order_ref, client_ref, channel, customer_id, country, placed_at, status, total_minor,
                           version, subject_version, ownership, rejected_by)
VALUES ('o', 'c', 'web', '17', 'UK', 'then', %s, 0, %s, %s, %s, %s)"""
LINE = "INSERT INTO legacy.order_line VALUES ('o', %s, %s, '', %s, %s, %s)"
LINES = [(0, "B", 2, 0, 150), (1, "A", 1, 0, 500), (2, "B", 1, 0, 150)]
# Orders of a hundred pence, a second apart, a minute ago.
PAST = """
WITH past AS (
    INSERT INTO legacy.orders (order_ref, client_ref, channel, customer_id, country, placed_at, status, total_minor)
    SELECT 'past-' || n, '', 'web', '17', '', '', 'placed', 100 FROM generate_series(1, %s) AS n RETURNING order_ref),
lines AS (INSERT INTO legacy.order_line SELECT order_ref, 0, 'A', '', 1, 0, 100 FROM past)
INSERT INTO legacy.velocity
SELECT order_ref, '17', 5, now() - interval '1 min' - interval '1 s' * row_number() OVER () FROM past"""
READERS = (
    oracle_middle.expected_scores,
    oracle_middle.expected_reservations,
    oracle_middle.expected_charges,
    oracle.expected_mails,
    oracle.expected_documents,
    oracle.expected_baskets,
)
Place = Callable[..., PsycopgConnection]


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    """Put the order there, uncommitted."""
    with psycopg.connect(database) as connection:

        def put(
            status: str, rejected_by: str | None = None, *, owners: str = NEW, version: int = 1, lines: Any = LINES
        ) -> PsycopgConnection:
            connection.rollback()
            told = version if status == "pending" else version + 1
            connection.execute(ORDER, (status, version, told, owners, rejected_by))
            connection.execute("INSERT INTO legacy.velocity VALUES ('o', '17', 1)")
            with connection.cursor() as cursor:
                cursor.executemany(LINE, lines)
            return connection

        yield put


def names(facts: Iterable[Fact]) -> list[str]:
    return [str(fact.fields.get(TARGET, "")) for fact in facts]


def test_an_accepted_order_has_been_through_all_three(place: Place) -> None:
    connection = place("placed")
    scores, held, charges = [list(reader(connection)) for reader in READERS[:3]]
    call, write = {KIND: "call"}, {KIND: "write"}
    decided = {"order_ref": "o", "score": 17, "verdict": "cleared", "recent_orders": 0, "recent_minor": 0}

    assert scores == [
        Fact("o", 100, 1, {"order_ref": "o", "customer_id": "17", "amount_minor": 950, **call, TARGET: "fraud.score"}),
        Fact("o", 101, 1, {**decided, **write, TARGET: "decision"}),
    ]
    assert held == [
        Fact(
            "o", 100, 1,
            {"order_ref": "o", "version": 1, "pieces": {"A": 1, "B": 3}, **write, TARGET: "reservation"},
        )
    ]  # fmt: skip
    asked = {"order_ref": "o", "client_ref": "c", "amount_minor": 950, "currency": "GBP"}
    paid = {"order_ref": "o", "amount_minor": 950, "state": "taken"}
    assert charges == [
        Fact("o", 100, 1, {**asked, **call, TARGET: "payments.charge"}),
        Fact("o", 101, 1, {**paid, **write, TARGET: "payment"}, open_fields=("charge_id",)),
    ]


def test_cancellations_shrink_what_is_held_and_nothing_else(place: Place) -> None:
    connection = place("partly_cancelled", version=3, lines=[(0, "A", 5, 2, 10), (1, "B", 1, 1, 10), (2, "A", 1, 0, 1)])
    (held,) = oracle_middle.expected_reservations(connection)

    assert (held.number, held.version, held.fields["pieces"]) == (400, 4, {"A": 4})
    assert [fact.fields.get("amount_minor") for fact in oracle_middle.expected_charges(connection)] == [61, 61]


def test_a_pending_order_may_have_been_through_them_and_was_not_through_the_tail(place: Place) -> None:
    connection = place("pending")
    found = [list(reader(connection)) for reader in READERS]

    assert [len(facts) for facts in found] == [2, 1, 2, 0, 0, 0]
    assert all(fact.pending for facts in found for fact in facts)


@pytest.mark.parametrize(
    ("rejected_by", "scores", "held", "charges"),
    [
        ("fraud", ["fraud.score", "decision"], [], []),
        ("inventory", ["fraud.score", "decision"], [], []),
        ("payment", ["fraud.score", "decision"], [{}], ["payments.charge", "payment", "payments.refund"]),
        ("notification", ["fraud.score", "decision"], [{}], ["payments.charge", "payment", "payments.refund"]),
    ],
)
def test_a_rejected_order_was_undone(
    place: Place, rejected_by: str, scores: list[str], held: list[Any], charges: list[str]
) -> None:
    connection = place("rejected", rejected_by)
    decided, kept, paid = [list(reader(connection)) for reader in READERS[:3]]

    assert names(decided) == scores
    assert [fact.fields["verdict"] for fact in decided[1:]] == ["cleared"]  # also fraud had no reason to refuse it
    assert [(fact.number, fact.version, fact.fields["pieces"]) for fact in kept] == [(200, 2, one) for one in held]
    assert names(paid) == charges
    always = {"payments.refund"} if rejected_by == "notification" else set()
    assert {fact.fields[TARGET] for fact in paid if not fact.if_there} == always
    assert [fact.refused for fact in paid[:1]] == [rejected_by == "payment" for _ in charges[:1]]
    assert [fact for reader in READERS[3:] for fact in reader(connection)] == []


@pytest.mark.parametrize("rejected_by", ["fraud", "inventory", "payment"])
def test_of_a_rejected_order_that_legacy_ran_only_its_own_record_says(place: Place, rejected_by: str) -> None:
    connection = place("rejected", rejected_by, owners=LEGACY)
    decided, kept, paid = [list(reader(connection)) for reader in READERS[:3]]

    assert len(decided) == (0 if rejected_by == "fraud" else 2)
    assert (kept, paid) == ([], [])


def test_a_rejection_is_one_more_change_of_the_order(place: Place) -> None:
    (rejected,) = plan.subject.facts(place("rejected", "payment"))
    (pending,) = plan.subject.facts(place("pending"))

    assert (rejected.version, rejected.rejected_by) == (2, "payment")
    assert (pending.version, pending.rejected_by) == (1, "")
    assert (rejected.undecided, pending.undecided) == (False, True)


def test_a_score_from_the_limit_on_must_have_been_refused_also_where_the_order_stands(place: Place) -> None:
    """The scorer's rule decides; an order that slipped through is found by its decision."""
    for amount in range(5_000_000, 5_000_400):
        connection = place("placed", lines=[(0, "A", 1, 0, amount)])
        _, decision = oracle_middle.expected_scores(connection)
        if decision.fields["score"] >= 90:
            break

    assert decision.fields["verdict"] == "refused"


@pytest.mark.parametrize(("orders", "verdict", "open_fields"), [(99, "cleared", ()), (100, "refused", True)])
def test_an_order_is_refused_for_velocity_only_where_its_customer_had_ordered_so_much(
    place: Place, orders: int, verdict: str, open_fields: object
) -> None:
    connection = place("rejected", "fraud")
    connection.execute("DELETE FROM legacy.velocity")
    connection.execute(PAST, (orders,))
    _, decision = (fact for fact in oracle_middle.expected_scores(connection) if fact.subject_ref == "o")

    assert decision.fields["verdict"] == verdict
    assert bool(decision.open_fields) is bool(open_fields)
    assert ("recent_orders" in decision.fields) is not bool(open_fields)


def test_what_came_before_an_order_is_counted_again_from_the_orders_themselves(place: Place) -> None:
    """By the order of counting; the table's amounts and customers are not believed."""
    connection = place("placed")
    connection.execute("UPDATE legacy.velocity SET amount_minor = 7, counted_at = now()")
    connection.execute(PAST, (2,))
    connection.execute("INSERT INTO legacy.velocity VALUES ('ghost', '17', 1, now() - interval '1 min')")
    facts = {fact.subject_ref: fact.fields for fact in oracle_middle.expected_scores(connection) if fact.number == 101}

    assert (facts["o"]["recent_orders"], facts["o"]["recent_minor"]) == (2, 200)
    connection.execute("UPDATE strangler.authority SET holder = 'new' WHERE resource = 'velocity'")
    connection.execute("INSERT INTO strangler.authority VALUES ('velocity', 'new') ON CONFLICT DO NOTHING")
    facts = {fact.subject_ref: fact.fields for fact in oracle_middle.expected_scores(connection) if fact.number == 101}
    assert facts["o"]["recent_orders"] == "not counted"


@pytest.mark.parametrize(
    ("ref", "owners", "refunds"),
    [("fraud-review", NEW, [(300, 3, 950)]), ("fraud-review", LEGACY, []), ("C1", NEW, [])],
)
def test_what_a_late_review_has_cancelled_is_due_back_where_the_new_side_charged_it(
    place: Place, ref: str, owners: str, refunds: list[Any]
) -> None:
    connection = place("cancelled", version=2, owners=owners, lines=[(*line[:3], line[2], line[4]) for line in LINES])
    connection.execute("INSERT INTO legacy.cancellation VALUES ('o', %s, 2, 950)", (ref,))
    paid = list(oracle_middle.expected_charges(connection))

    found = [(fact.number, fact.version, fact.fields["amount_minor"]) for fact in paid[2:]]
    assert (names(paid[:2]), found) == (["payments.charge", "payment"], refunds)
    assert not any(fact.if_there or fact.pending or fact.refused for fact in paid)
