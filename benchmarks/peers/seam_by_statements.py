"""How the toolkit itself entered a monolith before, line by line: by statements of its own driver, on the tables of
that time.

Both make sure of SQLAlchemy's transaction first, with a statement. Then an event is its row; a record is a savepoint,
its row and the release in one pipeline, none of them prepared. The owners are read from the request's header each time.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.orm import Session

from outbox import Event, PsycopgConnection
from strangler import Call, Ownership

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
NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

Function = Callable[..., Any]
Observe = Callable[..., Sequence[Call]]


@dataclass(frozen=True, slots=True)
class Subject:
    """`ownership`: the header that came with its request."""

    subject_ref: str
    version: int
    ownership: str


@dataclass(frozen=True, slots=True)
class Observation:
    inputs: str
    outcome: str
    intents: str


def append(session: Session, event: Event) -> None:
    driver = joined(session)
    if driver.autocommit and driver.info.transaction_status == TransactionStatus.IDLE:
        raise ValueError("append needs a transaction")
    context = ", ".join(f"{key}={value}" for key, value in event.context.items())
    check(event, context)
    row = (event.id, event.aggregate_type, event.aggregate_id, event.aggregate_version, event.type, event.payload)
    driver.execute(APPEND, (*row, context, event.traceparent, event.partition_key))


def check(event: Event, context: str) -> None:
    texts = (event.aggregate_id, event.type, context, event.traceparent or "", event.partition_key or "")
    size = len(event.payload) + sum(len(text.encode()) for text in texts)
    known = AGGREGATE_TYPE.fullmatch(event.aggregate_type) is not None and event.id.version == 7
    if not known or event.aggregate_version < 1 or size > MAX_EVENT_BYTES:
        raise ValueError(f"event {event.id} could not be published")


def joined(session: Session) -> PsycopgConnection:
    orm = sys.modules.get("sqlalchemy.orm")
    if orm is None or not isinstance(session, (orm.Session, orm.scoped_session)):
        raise TypeError("no session")
    session.flush()
    connection = session.connection()
    connection.exec_driver_sql("SELECT 1")
    driver: Any = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("not on psycopg 3")
    return driver


def seam(step: str, *, observe: Observe) -> Callable[[Function], Function]:
    """Around a step `(session, subject, ...)`."""

    def wrap(function: Function) -> Function:
        names = list(inspect.signature(function).parameters)[2:]

        @functools.wraps(function)
        def run(session: Session, subject: Subject, /, *args: Any, **kwargs: Any) -> Any:
            ownership = Ownership.from_header(subject.ownership)
            if ownership.of(step).value == "new":
                return None
            arguments = {**dict(zip(names, args, strict=False)), **kwargs}
            result = function(session, subject, *args, **kwargs)
            seen = observed(subject, arguments, result, lambda: observe(subject, result, *args, **kwargs))
            record(session, step, subject, ownership, seen)
            return result

        return run

    return wrap


def observed(
    subject: Subject, arguments: Mapping[str, object], result: object, look: Callable[[], Sequence[Call]]
) -> Observation:
    inputs = {"subject": {"subject_ref": subject.subject_ref, "version": subject.version}, "arguments": arguments}
    intents, outcome = encode([intent(one) for one in look()]), encode({"result": plain(result)})
    return Observation(encode({name: plain(value) for name, value in inputs.items()}), outcome, intents)


def record(session: Session, step: str, subject: Subject, ownership: Ownership, seen: Observation) -> None:
    driver = joined(session)
    if driver.autocommit and driver.info.transaction_status is TransactionStatus.IDLE:
        raise ValueError("nothing to join")
    cursor = guarded(driver, parameters(step, subject, ownership, seen))
    if cursor.rowcount == 0:
        raise ValueError("the step has acted again")


def parameters(step: str, subject: Subject, ownership: Ownership, seen: Observation) -> dict[str, object]:
    return {
        "subject_ref": subject.subject_ref,
        "step": step,
        "version": subject.version,
        "owner": ownership.of(step).value,
        "epoch": ownership.epoch,
        "inputs": seen.inputs,
        "outcome": seen.outcome,
        "intents": seen.intents,
    }


def guarded(driver: PsycopgConnection, values: Mapping[str, object]) -> psycopg.Cursor[tuple[Any, ...]]:
    with driver.pipeline():
        driver.execute("SAVEPOINT strangler_seam", prepare=False)
        cursor = driver.execute(RECORD, values, prepare=False)
        driver.execute("RELEASE strangler_seam", prepare=False)
    return cursor


def insert(session: Session, subject: Subject, step: str, intents: Sequence[Call]) -> None:
    """The row alone, with nothing that guards the transaction: less than this no record can cost."""
    seen = Observation("{}", "{}", encode([intent(one) for one in intents]))
    bare = Subject(f"{subject.subject_ref}-bare", 1, "")
    values = parameters(step, bare, Ownership(1, {}), seen)
    session.connection().connection.cursor().execute(RECORD, values)


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
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text.encode()
    if NUL.search(text):
        raise ValueError("a NUL character")
    return text
