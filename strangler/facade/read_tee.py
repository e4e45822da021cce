"""A copy of an answer that passes through: kept beside it while it is streamed, within bounds, or given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from strangler.facade.caller import fields
from strangler.facade.followed import BodyEnd, Followed, Whole
from strangler.facade.message import Headers, Response, values
from strangler.facade.read_copy import BODY_BYTES
from strangler.reads.account import Why

MARKER = "Strangler-Shadow"  # of a read that a comparison asks for; it is not compared again
MOST_HELD_BYTES = 8 * 1024 * 1024  # of copies whose answers are under way, in one worker
_CONDITIONAL = ("range", "if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range")

Drop = Callable[[Why], object]


def refused_copy(asked: Headers, answer: Response) -> Why | None:
    """Why that answer cannot be compared; None where it can be copied."""
    if answer.cause or answer.status >= 500:
        return Why.LEGACY
    if answer.status in (206, 304) or any(fields(asked, name) for name in _CONDITIONAL):
        return Why.CONDITIONAL
    lengths = values(answer.headers, "content-length")
    if lengths and lengths[0].isdigit() and int(lengths[0]) > BODY_BYTES:
        return Why.TOO_LONG
    return None


class Tee:
    """Of one loop. What it holds is bounded; each answer ends in one call: of `done` with its body, or of `drop`."""

    def __init__(self, most_bytes: int = MOST_HELD_BYTES) -> None:
        self._left = most_bytes

    def copied(self, answer: Response, done: Callable[[bytes], None], drop: Drop) -> Response:
        """The same answer; its body is copied as it is read."""
        if isinstance(answer.body, bytes):
            done(answer.body)
            return answer
        copy = _Copy(self, done, drop)
        return replace(answer, body=Followed(answer.body, copy.ended, copy.came))

    def take(self, size: int) -> bool:
        """Room for so many bytes more."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        self._left += size


class _Copy:
    """What has come of one answer, or nothing once it was given up."""

    def __init__(self, tee: Tee, done: Callable[[bytes], None], drop: Drop) -> None:
        self._tee, self._done, self._drop = tee, done, drop
        self._pieces: list[bytes] | None = []
        self._size = 0

    def came(self, piece: bytes) -> None:
        if self._pieces is None or not piece:
            return
        if self._size + len(piece) > BODY_BYTES:
            self._give_up(Why.TOO_LONG)
        elif not self._tee.take(len(piece)):
            self._give_up(Why.QUEUE_FULL)
        else:
            self._pieces.append(piece)
            self._size += len(piece)

    def ended(self, end: BodyEnd) -> None:
        if end is not Whole.YES:
            self._give_up(Why.CUT_OFF)
        elif self._pieces is not None:
            whole = b"".join(self._pieces)
            self._release()
            self._done(whole)

    def _give_up(self, why: Why) -> None:
        if self._pieces is not None:
            self._release()
            self._drop(why)

    def _release(self) -> None:
        self._tee.give(self._size)
        self._pieces, self._size = None, 0
