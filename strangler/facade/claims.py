"""Claims in PostgreSQL: made with the subject's ownership, ended by the first answer. Connections are in autocommit."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict, replace

from outbox.connection import PsycopgConnection
from strangler.errors import DependencyDown, StranglerError
from strangler.facade.caller import UNKNOWN_SCOPE
from strangler.facade.claim_sql import CLAIM, END_LEASE, FINISH, FIRST_ANSWER, FORGET, RELEASE, TAKE_OVER
from strangler.facade.headers import to_keep
from strangler.facade.idempotency import FirstAnswer, Held, RequestClaim, Stored
from strangler.stages import StageTable, ownership_for
from strangler.step.intents import Json
from strangler.store import STAGE_LOCK, read_stages, share_stage_lock

TRIES = 8  # a reference that was guessed may be another
WITHOUT_LOCK = 3  # of them: then the stages are kept from moving while they are read


class Stages:
    """The stage table as last read. Wrong at worst: then `pin` finds that out and reads it again."""

    def __init__(self) -> None:
        self.table: StageTable | None = None


def pin(connection: PsycopgConnection, claim: RequestClaim, stages: Stages) -> Held | Stored:
    """Claim the key and pin the subject's ownership, in one transaction, committed; or what was stored before.

    One round trip when the stages have not moved since this process last looked; two for a subject that the application
    knows by an id of its own, and that has another reference than the one made of it.
    """
    for attempt in range(TRIES):
        with connection.transaction() if attempt >= WITHOUT_LOCK else nullcontext():
            if attempt >= WITHOUT_LOCK:
                share_stage_lock(connection)
                stages.table = None
            table = stages.table = stages.table or read_stages(connection)
            owners = ownership_for(table, claim.subject_ref)
            said, row = _asked(connection, claim, {"epoch": owners.epoch, "owners": owners.to_header()})
        if said == "moved":
            stages.table = None
        elif said == "named":
            claim = replace(claim, subject_ref=row[1])  # its_ref
        else:
            return _outcome(said, row, claim)
    raise DependencyDown(f"the subject was named anew {TRIES} times while a {claim.route} was pinned; try again")


def claim_command(connection: PsycopgConnection, claim: RequestClaim) -> Held | Stored:
    """Claim the key for a command of a subject that exists, committed; or what was stored before."""
    said, row = _asked(connection, claim, {"epoch": None, "owners": None})
    return _outcome(said, row, claim)


def take_over(connection: PsycopgConnection, claim: RequestClaim) -> Held | None:
    """A claim whose lease is over, or that was released, committed. None: another request has it, or its answer."""
    row = connection.execute(TAKE_OVER, {**_name(claim), "lease_s": claim.lease_s}, prepare=True).fetchone()
    return None if row is None else Held(claim, row[0], again=True)


def finish(connection: PsycopgConnection, claim: RequestClaim, answer: FirstAnswer) -> FirstAnswer:
    """Store the first answer, committed, and return the one that counts: another, if there is one already."""
    if not claim.repeatable:
        connection.execute(FORGET, _name(claim), prepare=True)
        return answer
    headers = json.dumps({"reason": answer.reason, "fields": to_keep(answer.headers)})
    values = {**_name(claim), "status": answer.status, "headers": headers, "body": answer.body}
    if connection.execute(FINISH, values, prepare=True).rowcount == 1:
        return answer
    row = connection.execute(FIRST_ANSWER, _name(claim), prepare=True).fetchone()
    return answer if row is None else _first_answer(*row)


def end_lease(connection: PsycopgConnection, claim: RequestClaim) -> None:
    """The attempt is over without an answer: the next request with this key need not wait to resolve it. Committed."""
    connection.execute(END_LEASE if claim.repeatable else FORGET, _name(claim), prepare=True)


def release(connection: PsycopgConnection, held: Held) -> None:
    """Nothing was sent: the key is free again, committed."""
    connection.execute(RELEASE, {**_name(held.claim), "pinned_now": held.pinned_now}, prepare=True)


def _asked(connection: PsycopgConnection, claim: RequestClaim, pin: dict[str, object]) -> tuple[str, tuple[Json, ...]]:
    kind, native_id = claim.native or (None, None)
    values = {
        **asdict(claim),
        "other_scopes": list(claim.other_scopes),
        "near": list(claim.near),
        "kind": kind,
        "native_id": native_id,
        "stage_lock": STAGE_LOCK,
        **pin,
    }
    row = connection.execute(CLAIM, values, prepare=True).fetchone()
    if row is None:
        raise StranglerError("strangler.claim_request said nothing; bring the tables up to date by `strangler migrate`")
    return row[0], row[1:]


def _outcome(said: str, row: tuple[Json, ...], claim: RequestClaim) -> Held | Stored:
    pinned, ref, owners, key, fingerprint, lease_over, state, status, headers, body, same_scope = row
    if said == "claimed":
        # Of a subject with an id of its own another command may have the pin by now.
        return Held(claim, owners, pinned_now=pinned and claim.native is None, pinned=pinned)
    if said != "stored":
        raise DependencyDown("the claim in the way vanished again and again while it was read; try again")
    answer = _first_answer(status, headers, body) if state == "done" else None
    same_caller = same_scope and claim.tenant != UNKNOWN_SCOPE
    return Stored(key, bytes(fingerprint), ref, lease_over, answer, same_caller, released=state == "released")


def _first_answer(status: int, headers: dict[str, Json], body: bytes | None) -> FirstAnswer:
    fields = to_keep([(name, value) for name, value in headers["fields"]])  # earlier releases stored all of them
    return FirstAnswer(status, headers["reason"], fields, None if body is None else bytes(body))


def _name(claim: RequestClaim) -> dict[str, object]:
    return {"tenant": claim.tenant, "key": claim.key}
