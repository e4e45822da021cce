"""The recipe that most write: make sure of the transaction, then the row; the record behind a savepoint of its own."""

from __future__ import annotations

import json

from sqlalchemy.orm import Session

from outbox import Event

APPEND = """
INSERT INTO outbox.outbox
    (id, aggregatetype, aggregateid, aggregate_version, type, payload, context, traceparent, partition_key)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"""
TABLE = """
CREATE TABLE IF NOT EXISTS seam_of_statements (
    subject_ref text, step text, version bigint, owner text, epoch bigint, inputs jsonb, outcome jsonb, intents jsonb,
    recorded_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (subject_ref, step, version))"""
RECORD = """
INSERT INTO seam_of_statements (subject_ref, step, version, owner, epoch, inputs, outcome, intents)
VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s::jsonb) ON CONFLICT (subject_ref, step, version) DO NOTHING"""


def append(session: Session, event: Event) -> None:
    connection = session.connection()
    connection.exec_driver_sql("SELECT 1")
    row = (event.id, event.aggregate_type, event.aggregate_id, event.aggregate_version, event.type, event.payload)
    connection.connection.cursor().execute(APPEND, (*row, "", None, None))


def record(session: Session, ref: str, intents: list[dict[str, object]]) -> None:
    """A pipeline of three, as the driver offers it: the savepoint, the row, its release. With what the step was asked
    and what came of it, as any record needs.
    """
    inputs = json.dumps({"subject": {"subject_ref": ref, "version": 1}, "arguments": {}})
    outcome = json.dumps({"result": intents[0]["body"]})
    connection = session.connection()
    connection.exec_driver_sql("SELECT 1")
    driver = connection.connection.driver_connection
    assert driver is not None
    row = (ref, "mail", 1, "legacy", 1, inputs, outcome, json.dumps(intents))
    with driver.pipeline():
        driver.execute("SAVEPOINT seam", prepare=False)
        driver.execute(RECORD, row, prepare=False)
        driver.execute("RELEASE seam", prepare=False)


def insert(session: Session, ref: str, intents: list[dict[str, object]]) -> None:
    """The row alone, with nothing that guards the transaction: less than this no record can cost."""
    row = (f"{ref}-bare", "mail", 1, "legacy", 1, "{}", "{}", json.dumps(intents))
    session.connection().connection.cursor().execute(RECORD, row)
