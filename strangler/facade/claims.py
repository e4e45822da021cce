"""Claims in PostgreSQL: made with the subject's ownership, ended by the first answer. Connections are in autocommit."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

from strangler.errors import DependencyDown, StranglerError
from strangler.facade.caller import UNKNOWN_SCOPE
from strangler.facade.claim_sql import (
    BEGIN,
    CLAIM,
    COMMIT,
    END_LEASE,
    FINISH,
    FIRST_ANSWER,
    FORGET,
    KEEP_STAGES,
    RELEASE,
    STAGES,
    TAKE_OVER,
)
from strangler.facade.headers import to_keep
from strangler.facade.idempotency import FirstAnswer, Held, RequestClaim, Stored
from strangler.facade.loop_connection import LoopConnection
from strangler.facade.statement import Statement, array
from strangler.stages import StageTable, ownership_for
from strangler.step.intents import Json
from strangler.store import STAGE_LOCK, stage_table

logger = logging.getLogger(__name__)

TRIES = 8  # a reference that was guessed may be another
WITHOUT_LOCK = 3  # of them: then the stages are kept from moving while they are read
AHEAD = (CLAIM, FINISH)  # of each connection: what a request that is its key's first one says


class Stages:
    """The stage table as last read. Wrong at worst: then `pin` finds that out and reads it again."""

    def __init__(self) -> None:
        self.table: StageTable | None = None


async def pin(connection: LoopConnection, claim: RequestClaim, stages: Stages) -> Held | Stored:
    """Claim the key and pin the subject's ownership, in one transaction, committed; or what was stored before.

    One round trip when the stages have not moved since this process last looked; two for a subject that the application
    knows by an id of its own, and that has another reference than the one made of it.
    """
    for attempt in range(TRIES):
        keeps_stages = attempt >= WITHOUT_LOCK
        if keeps_stages:
            await connection.ask(BEGIN)
            await connection.ask(KEEP_STAGES, {"key": STAGE_LOCK})
            stages.table = None
        if stages.table is None:
            stages.table = stage_table((await connection.ask(STAGES)).rows)
        owners = ownership_for(stages.table, claim.subject_ref)
        said, row = await _asked(connection, claim, {"epoch": owners.epoch, "owners": owners.to_header()})
        if keeps_stages:
            await connection.ask(COMMIT)
        if said == "moved":
            stages.table = None
        elif said == "named":
            claim = replace(claim, subject_ref=row[1])  # its_ref
        else:
            return _outcome(said, row, claim)
    raise DependencyDown(f"the subject was named anew {TRIES} times while a {claim.route} was pinned; try again")


async def claim_command(connection: LoopConnection, claim: RequestClaim) -> Held | Stored:
    """Claim the key for a command of a subject that exists, committed; or what was stored before."""
    said, row = await _asked(connection, claim, {"epoch": None, "owners": None})
    return _outcome(said, row, claim)


async def take_over(connection: LoopConnection, claim: RequestClaim) -> Held | None:
    """A claim whose lease is over, or that was released, committed. None: another request has it, or its answer."""
    rows = (await connection.ask(TAKE_OVER, {**_own(claim), "lease_s": claim.lease_s})).rows
    return Held(claim, rows[0][0], again=True) if rows else None


async def finish(connection: LoopConnection, claim: RequestClaim, answer: FirstAnswer) -> FirstAnswer:
    """Store the first answer, committed, and return the one that counts: another, if there is one already."""
    said = await connection.ask(*finishing(claim, answer))
    if said.count == 1 or not claim.repeatable:
        return answer
    rows = (await connection.ask(FIRST_ANSWER, _name(claim))).rows
    return _first_answer(*rows[0]) if rows else answer


def finishing(claim: RequestClaim, answer: FirstAnswer) -> tuple[Statement, dict[str, object]]:
    """What stores the first answer, if there is none; of a request that nobody can repeat, it is kept for nobody."""
    if not claim.repeatable:
        return FORGET, _name(claim)
    headers = json.dumps({"reason": answer.reason, "fields": to_keep(answer.headers)})
    return FINISH, {**_name(claim), "status": answer.status, "headers": headers, "body": answer.body}


async def end_lease(connection: LoopConnection, claim: RequestClaim) -> None:
    """The attempt is over without an answer: the next request with this key need not wait to resolve it. Committed.

    A claim that another attempt has taken over stays that one's.
    """
    if not claim.repeatable:
        await connection.ask(FORGET, _name(claim))
        return
    said = await connection.ask(END_LEASE, _own(claim))
    if said.count != 1:
        _tell_late(claim, "its lease was not ended")


async def release(connection: LoopConnection, held: Held) -> None:
    """Nothing was sent: the key is free again, committed; unless another attempt has taken it over."""
    said = await connection.ask(RELEASE, {**_own(held.claim), "pinned_now": held.pinned_now})
    if said.count != 1:
        _tell_late(held.claim, "its key was not freed")


async def free(connection: LoopConnection, claim: RequestClaim) -> bool:
    """Whether there was a claim of this attempt, which nothing was done under; it is gone, committed. A pin stays."""
    return (await connection.ask(RELEASE, {**_own(claim), "pinned_now": False})).count == 1


async def _asked(
    connection: LoopConnection, claim: RequestClaim, pin: dict[str, object]
) -> tuple[str, tuple[Json, ...]]:
    kind, native_id = claim.native or (None, None)
    values = {
        "tenant": claim.tenant,
        "key": claim.key,
        "fingerprint": claim.fingerprint,
        "subject_ref": claim.subject_ref,
        "route": claim.route,
        "lease_s": claim.lease_s,
        "retention_s": claim.retention_s,
        "other_scopes": array(claim.other_scopes),
        "near": array(claim.near),
        "within_s": claim.within_s,
        "kind": kind,
        "native_id": native_id,
        "stage_lock": STAGE_LOCK,
        "attempt": claim.attempt,
        **pin,
    }
    rows = (await connection.ask(CLAIM, values)).rows
    if not rows:
        raise StranglerError("strangler.claim_request said nothing; bring the tables up to date by `strangler migrate`")
    said, *row = rows[0]
    return said, tuple(row)


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


def _own(claim: RequestClaim) -> dict[str, object]:
    return {**_name(claim), "attempt": claim.attempt}


def _tell_late(claim: RequestClaim, consequence: str) -> None:
    """Another attempt works on it, or it has an answer by now: there is nothing to do."""
    logger.warning("attempt_was_late", extra={"route": claim.route, "consequence": consequence})
