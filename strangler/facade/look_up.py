"""Looking a subject up where the answer of its creation was lost: the question, and what its answer means. Pure."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from urllib.parse import quote

from strangler.facade.asks import AppAnswer
from strangler.facade.caller import AUTHORIZATION
from strangler.facade.exchange import Broke, NotSent
from strangler.facade.headers import to_look_up
from strangler.facade.idempotency import FirstAnswer, creation_status
from strangler.facade.message import Headers, Outgoing, values
from strangler.ownership import CREATION_STATUS_HEADER

logger = logging.getLogger(__name__)


class Nothing(Enum):
    """No subject: there is none, or nobody can say."""

    THERE = "there"
    KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Places:
    """`subject_path` is where a subject is looked up, with `token` where that is a route of the toolkit's own;
    `status_path` where a client is sent that has to wait.
    """

    subject_path: str
    status_path: str
    token: str | None = field(default=None, repr=False)


def question(places: Places, ref: str, sent: Headers, caller_fields: frozenset[str]) -> Outgoing:
    """As the client that sent the write may ask, or as the toolkit."""
    asked = to_look_up(sent, caller_fields)
    if places.token is not None:
        asked = [field for field in asked if field[0].lower() != AUTHORIZATION]
        asked.append(("Authorization", f"Bearer {places.token}"))
    return Outgoing("GET", places.subject_path.format(ref=quote(ref, safe="")), asked)


def found(places: Places, ref: str, said: AppAnswer | NotSent | Broke) -> FirstAnswer | Nothing:
    """The subject as the application has it, as if it were created now. 404 says that there is none.

    Created, unless the application says (Strangler-Creation-Status) that it still decides, or has refused.
    """
    if isinstance(said, NotSent | Broke):
        return _unknown(str(said))
    if said.status == HTTPStatus.NOT_FOUND:
        return Nothing.THERE
    if said.status != HTTPStatus.OK or said.rest is not None:
        return _unknown(f"status {said.status}" if said.rest is None else "it is larger than an answer that is kept")
    status = creation_status(values(said.headers, CREATION_STATUS_HEADER.lower()))
    if status is None:
        return _unknown(f"{CREATION_STATUS_HEADER} is not 201, 202 or 4xx")
    kept = [field for field in said.headers if field[0].lower() != CREATION_STATUS_HEADER.lower()]
    ref = quote(ref, safe="")
    place = [("Location", places.status_path.format(ref=ref))] if status is HTTPStatus.ACCEPTED else []
    return FirstAnswer(status, status.phrase, [*kept, *place], said.body)


def _unknown(why: str) -> Nothing:
    logger.warning("look_up_failed", extra={"reason": why})
    return Nothing.KNOWN
