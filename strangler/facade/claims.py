"""Claims in PostgreSQL: made with the subject's ownership, ended by the first answer. Connections are in autocommit."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import LiteralString

from outbox.connection import PsycopgConnection
from strangler.errors import DependencyDown, StranglerError
from strangler.facade.caller import UNKNOWN_SCOPE
from strangler.facade.claim_sql import (
    ALIAS,
    CLAIM,
    END_LEASE,
    FIND,
    FINISH,
    FORGET,
    NEAR_LOCK,
    OWNERS,
    PIN,
    PIN_NATIVE,
    RELEASE,
)
from strangler.facade.headers import to_keep
from strangler.facade.idempotency import FirstAnswer, RequestClaim, Stored
from strangler.ownership import Ownership
from strangler.stages import StageTable, ownership_for
from strangler.step.intents import Json
from strangler.store import SHARE_LOCK, STAGE_LOCK, read_stages, share_stage_lock

TRIES = 4  # a claim that is in the way may be released before it is read, a reference that was guessed be another


@dataclass(frozen=True, slots=True)
class Held:
    """The claim is ours. `owners`: the ownership header of the subject, None if it has none. `pinned`: by this claim;
    `pinned_now`: and nobody else can have built on it yet.
    """

    claim: RequestClaim
    owners: str | None
    pinned_now: bool = False
    pinned: bool = False


class Stages:
    """The stage table as last read. Wrong at worst: then `pin` finds that out and reads it again."""

    def __init__(self) -> None:
        self.table: StageTable | None = None


def pin(connection: PsycopgConnection, claim: RequestClaim, stages: Stages) -> Held | Stored:
    """Claim the key and pin the subject's ownership, in one transaction, committed; or what was stored before.

    One round trip when the stages have not moved since this process last looked; two for a subject that the application
    knows by an id of its own, and that has another reference than the one made of it.
    """
    for _ in range(TRIES):
        found = _pin_cached(connection, claim, stages.table) if stages.table else None
        found = found or _pin_fresh(connection, claim, stages)
        ref = found.ref or _ref_of(connection, claim)
        if found.claimed and ref == claim.subject_ref:
            pinned_now = found.pinned and claim.native is None  # another command may have the same id by now
            return Held(claim, found.owners or owners_of(connection, ref), pinned_now, found.pinned)
        if ref != claim.subject_ref:
            if found.claimed:  # a race for an unknown id, lost: its subject has another reference
                release(connection, Held(claim, None, found.pinned))
            claim = replace(claim, subject_ref=ref)
            continue
        stored = find(connection, claim)
        if stored is not None:
            return stored
    raise _vanished()


def claim_command(connection: PsycopgConnection, claim: RequestClaim) -> Held | Stored:
    """Claim the key for a command of a subject that exists, committed; or what was stored before."""
    for _ in range(TRIES):
        with connection.pipeline():
            _lock_near(connection, claim)
            cursor = connection.execute(CLAIM, _claimed(claim), prepare=True)
        claimed, owners = cursor.fetchone() or (0, None)
        found = Held(claim, owners) if claimed else find(connection, claim)
        if found is not None:
            return found
    raise _vanished()


def owners_of(connection: PsycopgConnection, subject_ref: str) -> str | None:
    """The stored ownership header of a subject."""
    row = connection.execute(OWNERS, {"subject_ref": subject_ref}, prepare=True).fetchone()
    return row[0] if row else None


def find(connection: PsycopgConnection, claim: RequestClaim) -> Stored | None:
    """The claim with the same key in the same scope, else in another one in which it may be the same caller's."""
    row = connection.execute(FIND, _claimed(claim), prepare=True).fetchone()
    if row is None:
        return None
    key, fingerprint, subject_ref, lease_over, done, status, headers, body, same_scope = row
    answer = None
    if done:
        fields = to_keep([(name, value) for name, value in headers["fields"]])  # earlier releases stored all of them
        answer = FirstAnswer(status, headers["reason"], fields, None if body is None else bytes(body))
    same_caller = same_scope and claim.tenant != UNKNOWN_SCOPE
    return Stored(key, bytes(fingerprint), subject_ref, lease_over, answer, same_caller)


def finish(connection: PsycopgConnection, claim: RequestClaim, answer: FirstAnswer) -> bool:
    """Store the first answer, committed. False: there is one already, and that one counts."""
    if not claim.repeatable:
        connection.execute(FORGET, _name(claim), prepare=True)
        return True
    headers = json.dumps({"reason": answer.reason, "fields": to_keep(answer.headers)})
    values = {**_name(claim), "status": answer.status, "headers": headers, "body": answer.body}
    return connection.execute(FINISH, values, prepare=True).rowcount == 1


def end_lease(connection: PsycopgConnection, claim: RequestClaim) -> None:
    """The attempt is over without an answer: the next request with this key need not wait to resolve it. Committed."""
    connection.execute(END_LEASE if claim.repeatable else FORGET, _name(claim))


def release(connection: PsycopgConnection, held: Held) -> None:
    """Nothing was sent: the key is free again, committed."""
    connection.execute(RELEASE, {**_name(held.claim), "pinned_now": held.pinned_now})


@dataclass(frozen=True, slots=True)
class _Pinned:
    """What `PIN` did. A subject that was pinned when its key was claimed long ago keeps its owner.

    `ref`: its reference, None where another request has given it one at the same time.
    """

    claimed: bool
    pinned: bool
    owners: str | None
    ref: str | None


def _pin_cached(connection: PsycopgConnection, claim: RequestClaim, table: StageTable) -> _Pinned | None:
    """None: the stages have moved, and nothing was written."""
    owners = ownership_for(table, claim.subject_ref)
    # What a pipeline sends before its end is one transaction of its own, without BEGIN and COMMIT: 0.28 ms, not 0.43.
    with connection.pipeline():
        connection.execute(SHARE_LOCK, {"key": STAGE_LOCK}, prepare=True)
        _lock_near(connection, claim)
        cursor = connection.execute(_pinning(claim), _values(claim, owners), prepare=True)
    return _pinned(cursor.fetchone(), claim, owners)


def _pin_fresh(connection: PsycopgConnection, claim: RequestClaim, stages: Stages) -> _Pinned:
    with connection.transaction():
        share_stage_lock(connection)
        _lock_near(connection, claim)
        stages.table = read_stages(connection)
        owners = ownership_for(stages.table, claim.subject_ref)
        row = connection.execute(_pinning(claim), _values(claim, owners)).fetchone()
    pinned = _pinned(row, claim, owners)
    if pinned is None:
        raise StranglerError("the stages moved under the shared lock; a move must hold it exclusively (lock_stages)")
    return pinned


def _pinning(claim: RequestClaim) -> LiteralString:
    return PIN if claim.native is None else PIN_NATIVE


def _pinned(row: tuple[Json, ...] | None, claim: RequestClaim, owners: Ownership) -> _Pinned | None:
    current, claimed, pinned, kept, *known = row or (0, 0, 0, None)
    if not current:
        return None
    ref = known[0] if claim.native else claim.subject_ref
    return _Pinned(bool(claimed), bool(pinned), owners.to_header() if pinned else kept, ref)


def _ref_of(connection: PsycopgConnection, claim: RequestClaim) -> str:
    """The reference of the claim's subject now: the guessed one, where its id has none."""
    row = connection.execute(ALIAS, _native(claim)).fetchone()
    return row[0] if row else claim.subject_ref


def _lock_near(connection: PsycopgConnection, claim: RequestClaim) -> None:
    if claim.near:
        connection.execute(NEAR_LOCK, {"tenant": claim.tenant, "fingerprint": claim.fingerprint}, prepare=True)


def _vanished() -> DependencyDown:
    return DependencyDown(f"the claim in the way vanished {TRIES} times while it was read; try again")


def _name(claim: RequestClaim) -> dict[str, object]:
    return {"tenant": claim.tenant, "key": claim.key}


def _values(claim: RequestClaim, owners: Ownership) -> dict[str, object]:
    return {**_claimed(claim), "epoch": owners.epoch, "owners": owners.to_header()}


def _claimed(claim: RequestClaim) -> dict[str, object]:
    return {
        **asdict(claim),
        **_native(claim),
        "other_scopes": list(claim.other_scopes),
        "near": list(claim.near),
    }


def _native(claim: RequestClaim) -> dict[str, object]:
    kind, native_id = claim.native or (None, None)
    return {"kind": kind, "native_id": native_id}
