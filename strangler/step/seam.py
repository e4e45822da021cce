"""The seam around a legacy step: respects ownership, and observes what the step did in the same transaction."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from outbox.connection import AnyConnection, PsycopgConnection, driver_connection
from strangler.ownership import Owner, Ownership
from strangler.step.intents import Intent, Json, to_json
from strangler.step.pg_json import encode

logger = logging.getLogger(__name__)

# A second call for one change is numbered after the first.
RECORD = """
INSERT INTO strangler.seam_record (subject_ref, step, version, call, owner, epoch, inputs, outcome, intents, ended_at)
SELECT %(subject_ref)s, %(step)s, %(version)s, coalesce(max(call), 0) + 1, %(owner)s, %(epoch)s, %(inputs)s::jsonb,
       %(outcome)s::jsonb, %(intents)s::jsonb, now()
FROM strangler.seam_record WHERE subject_ref = %(subject_ref)s AND step = %(step)s AND version = %(version)s"""

SAVEPOINT = "strangler_seam"
UNOBSERVED = "unobserved"  # an intent of this kind equals no side's: the judge reports the subject


class SeamSubject(Protocol):
    """What a seam needs of the application's subject. `ownership` is the header text stored with the subject."""

    @property
    def subject_ref(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def ownership(self) -> str: ...


P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=AnyConnection)
SubjectT = TypeVar("SubjectT", bound=SeamSubject)


@dataclass(frozen=True, slots=True)
class Observation:
    """What a seam writes down of one run, as JSON text."""

    inputs: str
    outcome: str
    intents: str


def seam(
    step: str, *, observe: Callable[Concatenate[SubjectT, R, P], Sequence[Intent]]
) -> Callable[[Callable[Concatenate[C, SubjectT, P], R]], Callable[Concatenate[C, SubjectT, P], R | None]]:
    """Wrap a legacy step `(connection, subject, ...)`.

    `connection` is what `outbox.append` takes. `order` has `subject_ref`, `version` and `ownership`, the header
    text that came with the request, empty for all legacy.
    Owner new: the step is skipped, None is returned. Owner legacy or shadow: it runs, and its inputs, outcome and
    the intents that `observe(subject, result, ...)` reads off are stored in the same transaction, so a rollback
    leaves nothing. An error of the step reaches the caller; an error of observing or recording never does.

        @seam("notification", observe=lambda subject, result: [Call("mail", "send", result)])
        def notify(session, subject): ...

    Cost: one round trip beside the step's own (savepoint, insert and release are pipelined), and the one with
    which SQLAlchemy joins its transaction.
    """

    def wrap(function: Callable[Concatenate[C, SubjectT, P], R]) -> Callable[Concatenate[C, SubjectT, P], R | None]:
        names = list(inspect.signature(function).parameters)[2:]

        @functools.wraps(function)
        def run(connection: C, order: SubjectT, /, *args: P.args, **kwargs: P.kwargs) -> R | None:
            ownership = Ownership.from_header(order.ownership)
            if ownership.of(step) is Owner.NEW:
                return None
            arguments = {**dict(zip(names, args, strict=False)), **kwargs}
            result = function(connection, order, *args, **kwargs)
            observation = _observe(step, order, arguments, result, lambda: observe(order, result, *args, **kwargs))
            _record(connection, step, order, ownership, observation)
            return result

        return run

    return wrap


def _observe(
    step: str, order: SeamSubject, arguments: Mapping[str, object], result: object, look: Callable[[], Sequence[Intent]]
) -> Observation:
    inputs = {"subject": {"subject_ref": order.subject_ref, "version": order.version}, "arguments": arguments}
    try:
        intents, outcome = encode(to_json(look())), encode({"result": plain(result)})
    except Exception as error:  # noqa: BLE001 - the application's callback: its failure is recorded, not raised
        logger.warning("seam_observation_failed", extra={"step": step, "error": type(error).__name__})
        reason = ascii(f"{type(error).__name__}: {error}"[:300])
        intents = encode([{"kind": UNOBSERVED, "target": step, "body": {"error": reason}}])
        outcome = encode({"observe_error": reason})
    return Observation(_encoded_inputs(inputs), outcome, intents)


def _encoded_inputs(inputs: Mapping[str, object]) -> str:
    try:
        return encode({name: plain(value) for name, value in inputs.items()})
    except ValueError as error:
        return encode({"unreadable": ascii(str(error))})


def plain(value: object) -> Json:
    """The part of a value that JSON can hold; anything else is named by its type."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return {"not_json": type(value).__name__}


def _record(
    connection: AnyConnection, step: str, order: SeamSubject, ownership: Ownership, observation: Observation
) -> None:
    try:
        _insert(driver_connection(connection), step, order, ownership, observation)
    except (psycopg.Error, TypeError) as error:  # TypeError: a connection that none of ours can be
        # The answer stands: the savepoint has been rolled back. The judge finds the subject without its record.
        logger.error(  # no traceback: the statement's parameters are the customer's
            "seam_record_failed", extra={"step": step, "version": order.version, "error": type(error).__name__}
        )


def _insert(
    connection: PsycopgConnection, step: str, order: SeamSubject, ownership: Ownership, observation: Observation
) -> None:
    parameters = {
        "subject_ref": order.subject_ref,
        "step": step,
        "version": order.version,
        "owner": ownership.of(step).value,
        "epoch": ownership.epoch,
        "inputs": observation.inputs,
        "outcome": observation.outcome,
        "intents": observation.intents,
    }
    if connection.autocommit and connection.info.transaction_status is TransactionStatus.IDLE:
        connection.execute(RECORD, parameters)  # no transaction to join, so none to protect
    else:
        _insert_guarded(connection, parameters)


def _insert_guarded(connection: PsycopgConnection, parameters: Mapping[str, object]) -> None:
    """One round trip for all three; `connection.transaction()` would wait for each. After an error two more.

    Nothing is prepared: the driver would take a statement that an aborted pipeline has skipped for a prepared one.
    """
    try:
        with connection.pipeline():
            connection.execute(f"SAVEPOINT {SAVEPOINT}", prepare=False)
            connection.execute(RECORD, parameters, prepare=False)
            connection.execute(f"RELEASE {SAVEPOINT}", prepare=False)
    except psycopg.Error:
        connection.execute(f"ROLLBACK TO {SAVEPOINT}", prepare=False)
        connection.execute(f"RELEASE {SAVEPOINT}", prepare=False)
        raise
