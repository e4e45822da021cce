"""How the toolkit itself entered a monolith before: by statements of its own driver, on the tables of that time.

Both make sure of SQLAlchemy's transaction first, with a statement. Then an event is its row; a record is a savepoint,
its row and the release in one pipeline, none of them prepared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from outbox import Event, PsycopgConnection
from strangler import Call

TABLES = """
CREATE SCHEMA before;
CREATE TABLE before.outbox (
    id                uuid    NOT NULL PRIMARY KEY,
    aggregatetype     text    NOT NULL CHECK (aggregatetype ~ '^[A-Za-z0-9._-]{1,180}$'),
    aggregateid       text    NOT NULL,
    aggregate_version bigint  NOT NULL CHECK (aggregate_version > 0),
    type              text    NOT NULL,
    payload           bytea   NOT NULL,
    context           text    NOT NULL DEFAULT '',
    traceparent       text,
    partition_key     text
) PARTITION BY RANGE (id);
DO $$ DECLARE day record; BEGIN
    FOR day IN SELECT relname, pg_get_expr(relpartbound, pg_class.oid) AS bounds FROM pg_inherits
               JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'outbox.outbox'::regclass LOOP
        EXECUTE format('CREATE TABLE before.%I (LIKE before.outbox INCLUDING ALL)', day.relname);
        EXECUTE format('ALTER TABLE before.outbox ATTACH PARTITION before.%I %s', day.relname, day.bounds);
    END LOOP;
END $$;
CREATE TABLE before.seam_record (
    subject_ref text        NOT NULL,
    step        text        NOT NULL,
    version     bigint      NOT NULL,
    owner       text        NOT NULL CHECK (owner IN ('legacy', 'shadow')),
    epoch       bigint      NOT NULL,
    inputs      jsonb       NOT NULL,
    outcome     jsonb,
    intents     jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject_ref, step, version)
)"""
APPEND = """
INSERT INTO before.outbox
    (id, aggregatetype, aggregateid, aggregate_version, type, payload, context, traceparent, partition_key)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"""
RECORD = """
INSERT INTO before.seam_record (subject_ref, step, version, owner, epoch, inputs, outcome, intents)
VALUES (%(subject_ref)s, %(step)s, %(version)s, %(owner)s, %(epoch)s, %(inputs)s::jsonb, %(outcome)s::jsonb,
        %(intents)s::jsonb)
ON CONFLICT (subject_ref, step, version) DO NOTHING"""
MAX_EVENT_BYTES = 1_000_000
AGGREGATE_TYPE = re.compile(r"[A-Za-z0-9._-]{1,180}")
JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

Observe = Callable[[Any], Sequence[Call]]


@dataclass(frozen=True, slots=True)
class Subject:
    """`ownership`: the header that came with its request."""

    subject_ref: str
    version: int
    ownership: str


def append(session: Session, event: Event) -> None:
    context = ", ".join(f"{key}={value}" for key, value in event.context.items())
    check(event, context)
    row = (event.id, event.aggregate_type, event.aggregate_id, event.aggregate_version, event.type, event.payload)
    joined(session).execute(APPEND, (*row, context, event.traceparent, event.partition_key))


def check(event: Event, context: str) -> None:
    texts = (event.aggregate_id, event.type, context, event.traceparent or "", event.partition_key or "")
    size = len(event.payload) + sum(len(text.encode()) for text in texts)
    known = AGGREGATE_TYPE.fullmatch(event.aggregate_type) is not None and event.id.version == 7
    if not known or event.aggregate_version < 1 or size > MAX_EVENT_BYTES:
        raise ValueError(f"event {event.id} could not be published")


def joined(session: Session) -> PsycopgConnection:
    session.flush()
    connection = session.connection()
    connection.exec_driver_sql("SELECT 1")
    driver: Any = connection.connection.driver_connection
    return driver  # type: ignore[no-any-return]  # SQLAlchemy does not know whose it is


def record(session: Session, subject: Subject, step: str, function: Callable[[], object], observe: Observe) -> object:
    """Call the step, and write down what it was asked, what came of it and what that means."""
    owners = dict(member.strip().split("=") for member in subject.ownership.split(","))
    if owners.get(step) == "new":
        return None
    result = function()
    intents = encode([intent(one) for one in observe(result)])
    inputs = {"subject": {"subject_ref": subject.subject_ref, "version": subject.version}, "arguments": {}}
    parameters = {
        "subject_ref": subject.subject_ref,
        "step": step,
        "version": subject.version,
        "owner": owners.get(step, "legacy"),
        "epoch": int(owners["epoch"]),
        "inputs": encode({name: plain(value) for name, value in inputs.items()}),
        "outcome": encode({"result": plain(result)}),
        "intents": intents,
    }
    driver = joined(session)
    with driver.pipeline():
        driver.execute("SAVEPOINT seam", prepare=False)
        driver.execute(RECORD, parameters, prepare=False)
        driver.execute("RELEASE seam", prepare=False)
    return result


def insert(session: Session, subject: Subject, step: str, intents: Sequence[Call]) -> None:
    """The row alone, with nothing that guards the transaction: less than this no record can cost."""
    row = {"subject_ref": f"{subject.subject_ref}-bare", "step": step, "version": 1, "owner": "shadow", "epoch": 1}
    texts = {"inputs": "{}", "outcome": "{}", "intents": encode([intent(one) for one in intents])}
    session.connection().connection.cursor().execute(RECORD, {**row, **texts})


def intent(call: Call) -> dict[str, object]:
    return {"kind": "call", "target": f"{call.vendor}.{call.operation}", "body": dict(call.body)}


def plain(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return {"not_json": type(value).__name__}


def encode(value: object) -> str:
    text = JSON.encode(value)
    text.encode()
    return text
