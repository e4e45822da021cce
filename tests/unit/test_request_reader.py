"""Requests are read strictly, and the same in whichever pieces they arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facade.message import Framing
from strangler.facade.problem import Problem
from strangler.facade.request_reader import RequestReader
from strangler.facade.wire import ENDED, RequestEvent, RequestHead

GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def read(data: bytes, size: int | None = None) -> list[RequestEvent]:
    """Bodies in one piece, however they arrive."""
    reader = RequestReader()
    step = size or len(data)
    found: list[RequestEvent] = []
    for start in range(0, len(data), step):
        for event in reader.feed(data[start : start + step]):
            if isinstance(event, bytes) and found and isinstance(found[-1], bytes):
                found[-1] += event
            else:
                found.append(event)
    return found


def head(data: bytes) -> RequestHead:
    (event, *_) = read(data)
    assert isinstance(event, RequestHead), event
    return event


def status(data: bytes) -> int:
    last = read(data)[-1]
    assert isinstance(last, Problem), last
    return last.status


def test_target_and_names_are_as_sent() -> None:
    got = head(b"GET /a%2Fb//c?x=%20 HTTP/1.1\r\nhOST: a\r\nX_Odd: 1\r\nX-Twice:a \r\nx-twice:\t b\r\n\r\n")
    assert (got.method, got.target) == ("GET", "/a%2Fb//c?x=%20")
    assert got.headers == [("hOST", "a"), ("X_Odd", "1"), ("X-Twice", "a"), ("x-twice", "b")]


PIPELINED = (
    GET
    + b"\r\n"
    + POST
    + b"Content-Length: 3\r\n\r\nabc"
    + CHUNKED
    + b"2;x=y\r\nde\r\n1\r\nf\r\n0\r\nX: trailer\r\n\r\n"
    b"POST /h2c HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nhi"
    + GET
    + b"\r\n"
)


@given(st.integers(1, len(PIPELINED)))
def test_pieces_make_no_difference(size: int) -> None:
    events = read(PIPELINED, size)
    bodies = [event for event in events if isinstance(event, bytes)]
    heads = [event.target for event in events if isinstance(event, RequestHead)]
    assert (heads, bodies) == (["/", "/p", "/p", "/h2c", "/"], [b"abc", b"def", b"hi"])
    assert events.count(ENDED) == 5
    assert events[-1] is ENDED


@pytest.mark.parametrize(
    ("data", "framing"),
    [
        (GET + b"\r\n", Framing()),
        (POST + b"Content-Length: 7\r\n\r\n", Framing(length=7)),
        (POST + b"transfer-encoding: Chunked\r\n\r\n", Framing(chunked=True)),
    ],
)
def test_a_body_is_framed_as_the_fields_say(data: bytes, framing: Framing) -> None:
    assert head(data).framing == framing


@pytest.mark.parametrize(
    ("data", "keeps"),
    [
        (GET + b"\r\n", True),
        (GET + b"Connection: x, Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", False),
    ],
)
def test_a_connection_is_kept_as_the_client_wants(data: bytes, keeps: bool) -> None:
    assert head(data).keeps is keeps


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (GET + b"X : 1\r\n\r\n", 400),
        (GET + b"X: 1\r\n folded\r\n\r\n", 400),
        (GET + b"X: a\rb\r\n\r\n", 400),
        (GET + b"X: a\x00b\r\n\r\n", 400),
        (GET + b"caf\xc3\xa9: 1\r\n\r\n", 400),
        (b"GET /" + b"a" * 9_000, 414),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", 400),
        (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n", 400),
        (POST + b"Content-Length: 2, 2\r\n\r\n", 400),
        (POST + b"Content-Length: +2\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (CHUNKED + b"zz\r\n", 400),
        (CHUNKED + b"2\r\nabXX", 400),
    ],
)
def test_what_two_readers_may_understand_differently_is_refused(data: bytes, expected: int) -> None:
    assert status(data + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n") == expected


@pytest.mark.parametrize(
    "data",
    [
        GET + b"X: " + b"a" * 100_000,
        GET + b"X: a\r\n" * 1_001,
        GET + (b"X: " + b"a" * 1_000 + b"\r\n") * 70,
        CHUNKED + b"2;" + b"x" * 100_000,
        CHUNKED + b"0\r\nX: " + b"x" * 100_000,
        CHUNKED + b"0\r\n" + b"X: a\r\n" * 1_001,
    ],
)
def test_what_never_ends_is_bounded(data: bytes) -> None:
    assert status(data) == 431


def test_a_head_up_to_the_bounds_is_taken() -> None:
    assert len(head(GET + b"X: a\r\n" * 999 + b"\r\n").headers) == 1_000
    assert len(head(b"GET /" + b"a" * 8_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n").target) == 8_001
    assert len(head(GET + b"X: " + b"a" * 60_000 + b"\r\n\r\n").headers[1][1]) == 60_000


def test_nothing_is_read_after_a_refusal() -> None:
    reader = RequestReader()
    assert len(reader.feed(b"nonsense\r\n\r\n" + GET + b"\r\n")) == 1
    assert reader.feed(GET + b"\r\n") == []
    assert not reader.begun


def test_it_tells_whether_a_head_has_begun() -> None:
    reader = RequestReader()
    assert not reader.begun
    reader.feed(b"GE")
    half = reader.begun
    reader.feed(b"T / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (half, reader.begun) == (True, False)
