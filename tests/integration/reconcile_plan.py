"""A made-up plan of two steps, for the judge's tests: a mailing with a vendor, an index without; small own tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import psycopg

from outbox.connection import PsycopgConnection
from strangler.contexts import Context
from strangler.facts import Fact, SubjectFacts
from strangler.ownership import Ownership
from strangler.plan import Check, Plan, Route, Step, Subject
from strangler.step.intents import Json

MAILING, INDEXING = "mailing", "indexing"
TABLES = """
CREATE SCHEMA town;
CREATE TABLE town.orders (
    order_ref text PRIMARY KEY, version bigint NOT NULL, ownership text NOT NULL,
    undecided boolean NOT NULL DEFAULT false);
CREATE TABLE town.ledger (seq bigserial, key text NOT NULL, order_ref text NOT NULL, body jsonb NOT NULL);"""


def mail_body(order_ref: str, version: int) -> dict[str, Json]:
    return {"template": f"mail-{version}", "order_ref": order_ref, "total_minor": 100 * version}


def document_body(order_ref: str, version: int) -> dict[str, Json]:
    return {"order_ref": order_ref, "version": version, "text": "cup and saucer"}


def orders(connection: PsycopgConnection) -> Iterator[SubjectFacts]:
    for order_ref, version, ownership, undecided in connection.execute("SELECT * FROM town.orders"):
        yield SubjectFacts(order_ref, version, Ownership.from_header(ownership), order_ref, undecided=undecided)


def decided(connection: PsycopgConnection) -> Iterator[SubjectFacts]:
    """Nothing is expected of the others."""
    return (order for order in orders(connection) if not order.undecided)


def expected_mails(connection: PsycopgConnection) -> Iterator[Fact]:
    for order in decided(connection):
        for version in range(1, order.version + 1):
            yield Fact(order.subject_ref, 100 * version, version, mail_body(order.subject_ref, version))


def expected_documents(connection: PsycopgConnection) -> Iterator[Fact]:
    for order in decided(connection):
        body = document_body(order.subject_ref, order.version)
        yield Fact(order.subject_ref, 100 * order.version, order.version, body)


def documents(connection: PsycopgConnection) -> Iterator[Fact]:
    for order_ref, version, body in connection.execute("SELECT order_ref, version, body FROM document"):
        yield Fact(order_ref, version * 100, version, body)


def ledger(environ: Mapping[str, str]) -> Iterator[Fact]:
    with psycopg.connect(environ["TOWN_LEDGER_DSN"], connect_timeout=5) as connection:
        for key, order_ref, body in connection.execute("SELECT key, order_ref, body FROM town.ledger ORDER BY seq"):
            number = key.rpartition(":")[2]
            yield Fact(order_ref, int(number) if number.isdecimal() else 0, 0, body)


plan = Plan(
    name="town",
    subject=Subject("order", read=orders, caller="anonymous"),
    steps=(
        Step(
            MAILING,
            Context("notification", "mailing-group", ("order",)),
            Check(expected=expected_mails, identity=lambda body: str(body["template"]), stateful=False, ledger=ledger),
        ),
        Step(
            INDEXING,
            Context("search", "indexing-group", ("order",)),
            Check(expected=expected_documents, identity=lambda _: "document", stateful=True, actual=documents),
        ),
    ),
    routes=(Route("POST /orders", creates="order"),),
    topics={"order": 2},
)
