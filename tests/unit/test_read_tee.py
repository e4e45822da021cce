"""A copied answer ends in one call, whatever becomes of it, and holds no more than its bounds."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from strangler.facade.followed import BodyEnd, Followed, Whole
from strangler.facade.message import RequestOutcome, Response
from strangler.facade.read_copy import BODY_BYTES, MESSAGE_BYTES, ReadCopy, message_pair, refused_hand_over
from strangler.facade.read_tee import Tee, refused_copy
from strangler.reads.account import Why


@dataclass
class Pieces:
    """A body that comes in pieces; the first ones are there at once."""

    left: list[bytes]
    at_once: int = 0
    uploading: bool = False
    closed: bool = False

    def ready(self) -> tuple[bytes, bool]:
        taken, self.left = self.left[: self.at_once], self.left[self.at_once :]
        return b"".join(taken), not self.left

    async def read(self) -> bytes:
        return self.left.pop(0) if self.left else b""

    def close(self) -> None:
        self.closed = True


@dataclass
class Heard:
    said: list[bytes | Why] = field(default_factory=list)


def answer(body: Pieces, status: int = 200, *fields: tuple[str, str], cause: str = "") -> Response:
    return Response(status, "OK", fields, body, RequestOutcome.ANSWERED, cause)


def through(tee: Tee, body: Pieces, heard: Heard, reads: int = 100) -> bytes:
    copied = tee.copied(answer(body), heard.said.append, heard.said.append).body
    assert not isinstance(copied, bytes)
    piece, ended = copied.ready()
    got = piece
    for _ in range(reads):
        if ended:
            break
        piece = asyncio.run(copied.read())
        got, ended = got + piece, not piece
    copied.close()
    copied.close()
    return got


@pytest.mark.parametrize("at_once", [0, 1, 3])
def test_a_whole_answer_is_copied_once(at_once: int) -> None:
    heard = Heard()
    assert through(Tee(), Pieces([b"a", b"b", b"c"], at_once), heard) == b"abc"
    assert heard.said == [b"abc"]


def test_an_answer_that_is_left_is_dropped_once() -> None:
    heard = Heard()
    through(Tee(), Pieces([b"a", b"b", b"c"]), heard, reads=1)
    assert heard.said == [Why.CUT_OFF]


def test_a_long_answer_is_given_up_and_still_passes() -> None:
    heard, long = Heard(), [b"x" * BODY_BYTES, b"y"]
    assert len(through(Tee(), Pieces(list(long)), heard)) == BODY_BYTES + 1
    assert heard.said == [Why.TOO_LONG]


def test_what_is_held_is_bounded_and_given_back() -> None:
    tee, heard = Tee(most_bytes=3), Heard()
    assert tee.take(2)
    assert through(tee, Pieces([b"ab"]), heard) == b"ab"
    tee.give(2)
    assert through(tee, Pieces([b"abc"]), heard) == b"abc"
    assert through(tee, Pieces([b"abc"]), heard) == b"abc"
    assert heard.said == [Why.QUEUE_FULL, b"abc", b"abc"]


@pytest.mark.parametrize(
    ("asked", "given", "why"),
    [
        ([], answer(Pieces([]), 503), Why.LEGACY),
        ([], answer(Pieces([]), 502, cause="upstream-down"), Why.LEGACY),
        ([], answer(Pieces([]), 206), Why.CONDITIONAL),
        ([("If-Range", "x")], answer(Pieces([])), Why.CONDITIONAL),
        ([], answer(Pieces([]), 200, ("Content-Length", "70000")), Why.TOO_LONG),
        ([], answer(Pieces([]), 404), None),
    ],
)
def test_what_cannot_be_compared_is_known_before_it_is_copied(
    asked: list[tuple[str, str]], given: Response, why: Why | None
) -> None:
    assert refused_copy(asked, given) == why


def test_a_copy_survives_its_way_and_none_is_waited_for() -> None:
    sending, receiving = message_pair()
    copy = ReadCopy("page", 7, "/pages/é", [("Host", "a"), ("X", "\x80")], 200, [("ETag", '"e"')], b"\n\x00body\n")
    assert refused_hand_over(sending, copy) is None
    assert ReadCopy.unpacked(receiving.recv(1_000_000)) == copy
    while refused_hand_over(sending, copy) is None:
        pass
    receiving.close()
    assert refused_hand_over(sending, copy) is Why.QUEUE_FULL
    sending.close()


@pytest.mark.parametrize("over", [0, 1])
def test_a_copy_that_is_longer_than_is_read_is_not_handed_over(over: int) -> None:
    def of(padding: int) -> ReadCopy:
        return ReadCopy("page", 7, "/", [("X", "x" * padding)], 200, [], b"")

    longest = of(MESSAGE_BYTES - len(of(0).packed()) + over)
    sending, receiving = message_pair()
    with sending, receiving:
        assert refused_hand_over(sending, longest) == (Why.TOO_LARGE if over else None)
        if not over:
            assert ReadCopy.unpacked(receiving.recv(MESSAGE_BYTES)) == longest


@pytest.mark.parametrize("leaves", [True, False])
def test_a_body_that_is_followed_says_once_how_it_ended(leaves: bool) -> None:
    heard: list[BodyEnd] = []
    body = Followed(Pieces([] if leaves else [b"a"]), heard.append)
    while not leaves and asyncio.run(body.read()):
        assert heard == []
    body.close()
    body.close()
    assert heard == [Whole.NO if leaves else Whole.YES]
