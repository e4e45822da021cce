"""Responses are read tolerantly: mended where RFC 9112 lets a proxy mend, and refused where their end is unclear."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facade.response_reader import BadResponse, ResponseReader
from strangler.facade.wire import ENDED, ResponseEvent, ResponseHead

OK = b"HTTP/1.1 200 OK\r\n"
Fields = list[tuple[str, str]]


def read(data: bytes, *, method: str = "GET", size: int | None = None, closes: bool = False) -> list[ResponseEvent]:
    """Bodies in one piece, however they arrive."""
    reader = ResponseReader(method)
    step = size or max(1, len(data))
    found: list[ResponseEvent] = []
    pieces = [reader.feed(data[start : start + step]) for start in range(0, len(data), step)]
    for event in (each for events in [*pieces, reader.close() if closes else iter(())] for each in events):
        if isinstance(event, bytes) and found and isinstance(found[-1], bytes):
            found[-1] += event
        else:
            found.append(event)
    return found


def head(data: bytes, method: str = "GET") -> ResponseHead:
    (event, *_) = read(data, method=method)
    assert isinstance(event, ResponseHead), event
    return event


@pytest.mark.parametrize(
    ("fields", "expected", "dropped"),
    [
        (b"X-Bad : 1\r\nLater: 2", [("X-Bad", "1"), ("Later", "2")], ()),
        ("naïve: 1\r\nLater: 2".encode(), [("Later", "2")], ("na\u00c3\u00afve",)),
        (b"no colon\r\n folded\r\nLater: 2", [("Later", "2")], ("no colon",)),
        (b"A: 1\r\n\t folded\r\nLater: 2", [("A", "1 folded"), ("Later", "2")], ()),
        (b"A: x\rSet-Cookie: y\r\nLater: 2", [("A", "x Set-Cookie: y"), ("Later", "2")], ()),
        (b"A: x\x01\x7fy\r\nLater:2", [("A", "x\x01\x7fy"), ("Later", "2")], ()),
        (b"A: 1\nLater: 2", [("A", "1"), ("Later", "2")], ()),
        (b": none\r\nLater: 2", [("Later", "2")], ("",)),
        (b"A:", [("A", "")], ()),
    ],
)
def test_a_field_that_is_odd_costs_no_other_one(fields: bytes, expected: Fields, dropped: tuple[str, ...]) -> None:
    got = head(OK + fields + b"\r\nContent-Length: 0\r\n\r\n")
    assert (got.headers, got.dropped) == ([*expected, ("Content-Length", "0")], dropped)


def test_reason_and_status_are_as_sent() -> None:
    got = head(b"HTTP/1.1 299 Caf\xe9  au lait\r\nContent-Length: 0\r\n\r\n")
    assert (got.status, got.reason) == (299, "Caf\u00e9  au lait")
    assert head(b"HTTP/1.0 200\r\n\r\n").reason == ""


def test_many_and_large_fields_are_read() -> None:
    assert len(head(OK + b"X: a\r\n" * 1_000 + b"\r\n").headers) == 1_000
    assert len(head(OK + b"X: " + b"a" * 200_000 + b"\r\n\r\n").headers[0][1]) == 200_000


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (b"Content-Length: 2 \r\n", [("Content-Length", "2")]),
        (b"Content-Length: 2, 2\r\nA: b\r\n", [("Content-Length", "2"), ("A", "b")]),
        (b"A: b\r\nContent-Length: 2\r\ncontent-length: 2\r\n", [("A", "b"), ("Content-Length", "2")]),
    ],
)
def test_lengths_that_agree_are_one(fields: bytes, expected: Fields) -> None:
    got, *body = read(OK + fields + b"\r\nok")
    assert isinstance(got, ResponseHead)
    assert (got.headers, body) == (expected, [b"ok", ENDED])


WHOLE = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    + OK
    + b"Transfer-Encoding: gzip, Chunked\r\n\r\n5;x=y\r\nhello\r\n 01 \r\n!\r\n0\r\nTrailer: t\r\n\r\n"
)


@given(st.integers(1, len(WHOLE)))
def test_pieces_make_no_difference(size: int) -> None:
    early, got, body, end = read(WHOLE, size=size)
    assert isinstance(early, ResponseHead)
    assert isinstance(got, ResponseHead)
    assert (early.status, early.headers) == (103, [("Link", "</a>")])
    assert (got.status, body, end) == (200, b"hello!", ENDED)


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("HEAD", OK + b"Content-Length: 5\r\n\r\n"),
        ("HEAD", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    ],
)
def test_some_answers_have_no_body(method: str, data: bytes) -> None:
    assert read(data, method=method)[1:] == [ENDED]


def test_what_has_no_length_ends_with_the_connection() -> None:
    for fields in (b"", b"Transfer-Encoding: gzip\r\n"):
        assert read(OK + fields + b"\r\nall")[1:] == [b"all"]
        assert read(OK + fields + b"\r\nall", closes=True)[1:] == [b"all", ENDED]


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        OK + b"Content-Length: -5\r\n\r\nhello",
        OK + b"Content-Length:\r\n\r\n",
        OK + "Content-Length: \u0665\r\n\r\n".encode(),
        OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
        OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"x" * 20_000,
        OK + b"X: a\r\n" * 1_001 + b"\r\n",
        OK + b"X: " + b"a" * 300_000,
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 99 Low\r\n\r\n",
        b"SPDY nonsense\r\n\r\n",
    ],
)
def test_an_answer_whose_end_is_unclear_is_refused(data: bytes) -> None:
    with pytest.raises(BadResponse):
        read(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200", OK + b"Content-Length: 5\r\n\r\nhal", OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nx"],
)
def test_a_part_is_never_the_whole(data: bytes) -> None:
    with pytest.raises(BadResponse, match="closed before"):
        read(data, closes=True)


@pytest.mark.parametrize(
    ("data", "reusable"),
    [
        (OK + b"Content-Length: 2\r\n\r\nok", True),
        (OK + b"Content-Length: 2\r\nConnection: Close\r\n\r\nok", False),
        (OK + b"Content-Length: 2\r\n\r\nok and more", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", True),
    ],
)
def test_a_connection_is_used_again_only_in_step(data: bytes, reusable: bool) -> None:
    reader = ResponseReader("GET")
    assert list(reader.feed(data))[-1] is ENDED
    assert reader.reusable is reusable
