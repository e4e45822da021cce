"""What a claimed request asks of the database and of the application, as values with their answers. Pure.

`yield from` one gives its answer, whoever finds that out: the loop, or a test with a list.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, cast

from strangler.facade.exchange import Broke, NotSent
from strangler.facade.idempotency import FirstAnswer, Held, RequestClaim, Stored
from strangler.facade.message import Headers, Outgoing, Streamed
from strangler.facade.problem import Problem

R = TypeVar("R")
Ask: TypeAlias = "ClaimKey | Pause | TakeOver | Forward | LookUp | KeepAnswer | FreeKey | EndLease"
Asks: TypeAlias = Generator[Ask, object, R]


class _Asked(Generic[R]):
    __slots__ = ()

    def __iter__(self) -> Asks[R]:
        return cast("R", (yield cast("Ask", self)))


@dataclass(frozen=True, slots=True)
class AppAnswer:
    """The application's. `body`: all of it where `rest` is None; else too much to keep, and `rest` is all of it."""

    status: int
    reason: str
    headers: Headers
    body: bytes
    rest: Streamed | None = None


@dataclass(frozen=True, slots=True)
class ClaimKey(_Asked[Held | Stored | Problem]):
    """Committed, with the owners of the subject, which are pinned where it is new or known by its own id (`pins`)."""

    claim: RequestClaim
    pins: bool


@dataclass(frozen=True, slots=True)
class Pause(_Asked[None]):
    """Before the next look."""

    seconds: float


@dataclass(frozen=True, slots=True)
class TakeOver(_Asked[Held | Problem | None]):
    """A claim that nobody works on any more becomes ours. None: another one was faster."""

    claim: RequestClaim


@dataclass(frozen=True, slots=True)
class Forward(_Asked[AppAnswer | NotSent | Broke]):
    """The write, which is over at the loop's time `by`: then another attempt may begin."""

    sent: Outgoing
    by: float = math.inf


@dataclass(frozen=True, slots=True)
class LookUp(_Asked[AppAnswer | NotSent | Broke]):
    """A read, of the subject, which is over at the loop's time `by`."""

    sent: Outgoing
    by: float = math.inf


@dataclass(frozen=True, slots=True)
class KeepAnswer(_Asked[FirstAnswer]):
    """The one that counts: another's, if that came first. Until `sole_until`, by the loop's clock, no other can: then
    it is the database's, who need not have said that it is stored.
    """

    claim: RequestClaim
    answer: FirstAnswer
    sole_until: float = -math.inf


@dataclass(frozen=True, slots=True)
class FreeKey(_Asked[None]):
    """The application has not taken the request on: the next one with the key is a new one."""

    held: Held


@dataclass(frozen=True, slots=True)
class EndLease(_Asked[None]):
    """This attempt has ended without an answer: whoever asks next need not wait to resolve it."""

    claim: RequestClaim


async def driven(asks: Asks[R], answer: Callable[[Ask], Awaitable[object]]) -> R:
    """The result, with each ask answered where it comes."""
    said: object = None
    while True:
        try:
            ask = asks.send(said)
        except StopIteration as ended:
            return cast("R", ended.value)
        said = await answer(ask)
