"""A request of an owned route, carried out once: claimed, forwarded, its answer kept or found out. Pure.

What it needs it asks for (`asks`). A write is sent again only where that cannot act twice: a creation that the
application does not have, under the reference of the first attempt; a command that is idempotent by its declaration;
one of which an operator has said that nothing came.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import assert_never

from strangler.facade import look_up
from strangler.facade.asks import (
    AppAnswer,
    Asks,
    ClaimKey,
    EndLease,
    Forward,
    FreeKey,
    KeepAnswer,
    LookUp,
    Pause,
    TakeOver,
)
from strangler.facade.exchange import Broke, NotSent
from strangler.facade.forward import failed
from strangler.facade.headers import is_field_value
from strangler.facade.idempotency import (
    REPLAYED,
    FirstAnswer,
    Held,
    Repeat,
    RequestClaim,
    Stored,
    Word,
    judge,
    unknown_spelling,
    word_of,
)
from strangler.facade.look_up import Nothing, Places
from strangler.facade.message import Outgoing, RequestOutcome, Response
from strangler.facade.problem import (
    ANSWER_GONE,
    CALLER_UNKNOWN,
    IN_PROGRESS,
    KEY_EXPIRED,
    OTHER_REQUEST,
    OUTCOME_LOST,
    OUTCOME_UNKNOWN,
    Problem,
)
from strangler.facade.targets import Owned
from strangler.ownership import HEADER

logger = logging.getLogger(__name__)

# A client has its answer when that is on its way to the database: whoever repeats it at once at another worker may be
# there before it.
LOOK_AGAIN_S = (0.01, 0.04, 0.2)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request with its key. `sent` is as it goes on, without the reference (in `reference_header`) and the owners.

    `work` is the class of what is refused. `caller_fields`: by which the application knows its caller.
    """

    claim: RequestClaim
    sent: Outgoing
    match: Owned
    places: Places
    reference_header: str
    work: str
    caller_fields: frozenset[str] = frozenset()

    @property
    def creates(self) -> bool:
        """It makes the subject that it names."""
        return bool(self.match.route.creates)

    @property
    def ref(self) -> str:
        """Of its subject."""
        return self.claim.subject_ref

    def told(self, owners: str | None) -> Outgoing:
        """The subject's reference and owners in place of any that the client has sent; those are gone by now."""
        own = [(HEADER, owners)] if owners else []
        if is_field_value(self.ref):  # else the path alone names it
            own.insert(0, (self.reference_header, self.ref))
        sent = self.sent
        return Outgoing(sent.method, sent.target, [*sent.headers, *own], sent.body, sent.framing)


def carry_out(attempt: Attempt) -> Asks[Response]:
    """The first answer, a replay of it, or a problem that says whether anything was done."""
    held = yield from _claimed(attempt)
    match held:
        case Problem():
            return held.to_answer(attempt.work)
        case Stored():
            claim = replace(attempt.claim, key=held.key, subject_ref=held.subject_ref)
            return (yield from _repeated(replace(attempt, claim=claim), held))
        case Held():
            if held.claim is not attempt.claim:
                attempt = replace(attempt, claim=held.claim)
            if attempt.creates and not held.pinned:
                return (yield from _from_before(attempt, held))
            return (yield from _forwarded(attempt, held))
        case _:
            assert_never(held)


def _claimed(attempt: Attempt) -> Asks[Held | Stored | Problem]:
    claims = ClaimKey(attempt.claim, pins=attempt.match.subject_ref is None)
    held = yield from claims
    for pause_s in LOOK_AGAIN_S:
        if not isinstance(held, Stored) or judge(held, attempt.claim.fingerprint) is not Repeat.IN_PROGRESS:
            break
        yield from Pause(pause_s)
        held = yield from claims
    return held


def _repeated(attempt: Attempt, stored: Stored) -> Asks[Response]:
    found = judge(stored, attempt.claim.fingerprint)
    if isinstance(found, FirstAnswer):
        return (yield from _replayed(attempt, found))
    match found:
        case Repeat.OTHER_REQUEST:
            return OTHER_REQUEST.to_answer()
        case Repeat.CALLER_UNKNOWN:
            return CALLER_UNKNOWN.to_answer()
        case Repeat.IN_PROGRESS:
            return IN_PROGRESS.to_answer()
        case Repeat.STALE | Repeat.RELEASED:
            return (yield from _taken_over(attempt, released=found is Repeat.RELEASED))
        case _:
            assert_never(found)


def _taken_over(attempt: Attempt, *, released: bool) -> Asks[Response]:
    """A claim that nobody works on any more, or that an operator has given up: the first to come goes on with it."""
    held = yield from TakeOver(attempt.claim)
    if not isinstance(held, Held):
        return (held or IN_PROGRESS).to_answer(attempt.work)
    if released or attempt.match.route.may_be_repeated:
        return (yield from _forwarded(attempt, held))
    if not attempt.creates:
        yield from EndLease(attempt.claim)
        logger.warning("outcome_lost", extra={"route": attempt.match.route.target})
        return OUTCOME_LOST.to_answer()
    seen = yield from _looked_up(attempt, held.by)
    if seen is Nothing.THERE:
        return (yield from _forwarded(attempt, held))
    if seen is Nothing.KNOWN:
        yield from EndLease(attempt.claim)
        return OUTCOME_UNKNOWN.to_answer()
    return (yield from _replayed(attempt, (yield from _settled(attempt, seen)), RequestOutcome.FOUND))


def _from_before(attempt: Attempt, held: Held) -> Asks[Response]:
    """A new claim whose subject has been pinned before: its key was used longer ago than keys are kept. What was asked
    for then nobody knows any more, so a subject that is there is neither made again nor given as the answer.
    """
    seen = yield from _looked_up(attempt, held.by)
    if seen is Nothing.THERE:
        return (yield from _forwarded(attempt, replace(held, again=True)))
    yield from FreeKey(held)
    return (OUTCOME_UNKNOWN if seen is Nothing.KNOWN else KEY_EXPIRED).to_answer()


def _forwarded(attempt: Attempt, held: Held) -> Asks[Response]:
    if held.again:
        logger.info("forwarded_again", extra={"route": attempt.match.route.target})
    said = yield from Forward(attempt.told(held.owners), held.by)
    if isinstance(said, Broke):
        return (yield from _lost(attempt, said))
    if isinstance(said, NotSent):
        yield from _let_go(attempt, held)
        refused = failed(attempt.sent.method, said)
        return (OUTCOME_UNKNOWN if held.again else refused).to_answer(attempt.work)
    return (yield from _answered(attempt, held, said))


def _answered(attempt: Attempt, held: Held, said: AppAnswer) -> Asks[Response]:
    word = _word(attempt, said)
    if word is Word.NOT_TAKEN:
        yield from _let_go(attempt, held)
        return _passed_on(said, RequestOutcome.NOT_TAKEN)
    if word is Word.NONE:
        return (yield from _lost(attempt, said))
    if held.again and attempt.creates and said.status >= HTTPStatus.BAD_REQUEST:
        seen = yield from _looked_up(attempt, held.by)  # it may refuse what an earlier attempt has made meanwhile
        if isinstance(seen, FirstAnswer):
            return (yield from _replayed(attempt, (yield from _settled(attempt, seen)), RequestOutcome.FOUND))
    own = FirstAnswer(said.status, said.reason, said.headers, said.body if said.rest is None else None)
    counts = yield from KeepAnswer(attempt.claim, own, held.sole_until)
    if counts is own:
        return _passed_on(said, RequestOutcome.ANSWERED)
    return (yield from _replayed(attempt, counts))


def _word(attempt: Attempt, said: AppAnswer) -> Word:
    match = attempt.match
    word = word_of(said.status, said.headers, match.route)
    if word is Word.FINAL and not match.certain and unknown_spelling(said.status, said.headers, match.canonical):
        return Word.NOT_TAKEN
    # Nobody can ask for it again, so it gets what the application, or what stands before it, has said.
    return Word.FINAL if word is Word.NONE and not attempt.claim.repeatable else word


def _let_go(attempt: Attempt, held: Held) -> Asks[None]:
    """Nothing came of this attempt. Of an earlier one something may have, so its claim stays."""
    if held.again:
        yield from EndLease(attempt.claim)
    else:
        yield from FreeKey(held)


def _lost(attempt: Attempt, said: AppAnswer | Broke) -> Asks[Response]:
    """This attempt has ended without an answer that counts. It is not made again at once: it may yet be under way."""
    reason = str(said) if isinstance(said, Broke) else f"status {said.status}"
    logger.warning("answer_lost", extra={"reason": reason, "route": attempt.match.route.target})
    yield from EndLease(attempt.claim)
    seen = (yield from _looked_up(attempt)) if attempt.creates else Nothing.KNOWN
    if isinstance(seen, FirstAnswer):
        first = yield from _settled(attempt, seen)
        return Response(first.status, first.reason, first.headers, first.body or b"", RequestOutcome.FOUND)
    if isinstance(said, AppAnswer):
        return _passed_on(said, RequestOutcome.UNKNOWN)
    resolved_later = attempt.claim.repeatable and (attempt.creates or attempt.match.route.may_be_repeated)
    return (OUTCOME_UNKNOWN if resolved_later else failed(attempt.sent.method, said)).to_answer()


def _looked_up(attempt: Attempt, by: float = math.inf) -> Asks[FirstAnswer | Nothing]:
    asked = look_up.question(attempt.places, attempt.ref, attempt.sent.headers, attempt.caller_fields)
    seen = look_up.found(attempt.places, attempt.ref, (yield from LookUp(asked, by)))
    logger.info("outcome_found" if isinstance(seen, FirstAnswer) else "outcome_unknown")
    return seen


def _settled(attempt: Attempt, found: FirstAnswer) -> Asks[FirstAnswer]:
    """While the application itself still decides, its word for now is given and not kept: the next one asks again."""
    if found.status == HTTPStatus.ACCEPTED:
        yield from EndLease(attempt.claim)
        return found
    return (yield from KeepAnswer(attempt.claim, found))


def _replayed(
    attempt: Attempt, first: FirstAnswer, outcome: RequestOutcome = RequestOutcome.REPLAYED
) -> Asks[Response]:
    """The first answer, byte for byte, and said to be a replay. One that was too large to keep is looked up."""
    if first.body is None:
        seen = (yield from _looked_up(attempt)) if attempt.creates else Nothing.THERE
        if not isinstance(seen, FirstAnswer):
            return (ANSWER_GONE if seen is Nothing.THERE else OUTCOME_UNKNOWN).to_answer()
        first = seen
    return Response(first.status, first.reason, [*first.headers, REPLAYED], first.body or b"", outcome)


def _passed_on(said: AppAnswer, outcome: RequestOutcome) -> Response:
    return Response(said.status, said.reason, said.headers, said.body if said.rest is None else said.rest, outcome)
