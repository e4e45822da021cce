"""Our readers beside h11 and httptools: what both of these refuse is refused, and what both take is read the same."""

from __future__ import annotations

from collections.abc import Iterator

import h11
import httptools
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strangler.facade.problem import Problem
from strangler.facade.request_reader import RequestReader
from strangler.facade.response_reader import BadResponse, ResponseReader
from strangler.facade.wire import ENDED, RequestHead, ResponseHead

Message = tuple[tuple[bytes, ...], list[tuple[bytes, bytes]], bytes]  # start, fields, body

STARTS = st.sampled_from(
    [b"GET / HTTP/1.1", b"POST /a%2F HTTP/1.1", b"PUT http://h/x HTTP/1.1", b"GET / HTTP/1.0", b"GET /"]
)
STATUSES = st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 404 ", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No"])
FRAMES = [b"Content-Length: 3", b"Content-Length: 3", b"Content-Length: 0", b"Transfer-Encoding: chunked"]
LINES = st.lists(
    st.sampled_from(
        [*FRAMES, b"Host: a", b"Host: a", b"X: y", b"X-Y:  z ", b"Connection: close", b"Upgrade: h2c", b"Expect: x"]
    ),
    max_size=5,
)
BODIES = st.sampled_from(
    [b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"1;e=f\r\na\r\n2\r\nbc\r\n0\r\nT: t\r\n\r\n", b"3\r\nab"]
)
# What is put in somewhere: the bytes on which readers differ.
SPLINTERS = st.sampled_from(
    [b"\r", b"\n", b" ", b"\t", b"\x00", b"\x0b", b"\x7f", b"\xe9", b":", b",", b"\r\n ", b"+", b"0x", b";", b"_"]
)


@st.composite
def raw(draw: st.DrawFn, starts: st.SearchStrategy[bytes]) -> bytes:
    data = draw(starts) + b"\r\n" + b"".join(line + b"\r\n" for line in draw(LINES)) + b"\r\n" + draw(BODIES)
    for splinter in draw(st.lists(SPLINTERS, max_size=2)):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + splinter + data[at + draw(st.integers(0, 1)) :]
    return data


def of_h11(role: type[h11.CLIENT] | type[h11.SERVER], data: bytes) -> Message | None:
    """The first message, if it is whole."""
    connection = h11.Connection(role)
    if role is h11.CLIENT:
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"") if role is h11.CLIENT else None
    start: tuple[bytes, ...] = ()
    fields: list[tuple[bytes, bytes]] = []
    body = b""
    try:
        while not isinstance(event := connection.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Request):
                start, fields = (
                    (bytes(event.method), bytes(event.target)),
                    [(bytes(n), bytes(v)) for n, v in event.headers],
                )
            elif isinstance(event, h11.Response):
                start, fields = (b"%d" % event.status_code,), [(bytes(n), bytes(v)) for n, v in event.headers]
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                return None
    except h11.RemoteProtocolError:
        return None
    return start, fields, body


def httptools_takes(data: bytes) -> bool:
    seen: list[str] = []

    class Protocol:
        def on_message_complete(self) -> None:
            seen.append("whole")

    try:
        httptools.HttpRequestParser(Protocol()).feed_data(data)
    except httptools.HttpParserError:
        pass
    except httptools.HttpParserUpgrade:
        return True
    return bool(seen)


def ours(events: Iterator[object] | list[object]) -> Message | None:
    start: tuple[bytes, ...] = ()
    fields: list[tuple[bytes, bytes]] = []
    body = b""
    for event in events:
        if isinstance(event, RequestHead | ResponseHead):
            fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in event.headers]
            if isinstance(event, RequestHead):
                start = event.method.encode(), event.target.encode("latin-1")
            else:
                start = (b"%d" % event.status,)
        elif isinstance(event, bytes):
            body += event
        elif event is ENDED:
            return start, fields, body
        elif isinstance(event, Problem):
            return None
    return None


@settings(max_examples=1_000, deadline=None)
@given(raw(STARTS))
@example(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n")
def test_a_request_that_both_refuse_is_refused_and_what_all_take_is_the_same(data: bytes) -> None:
    mine, theirs = ours(list(RequestReader().feed(data))), of_h11(h11.SERVER, data)
    if theirs is None and not httptools_takes(data):
        assert mine is None, data
    if mine is not None and theirs is not None:
        assert mine == theirs, data


@settings(max_examples=1_000, deadline=None)
@given(raw(STATUSES))
def test_a_response_that_h11_takes_is_read_the_same(data: bytes) -> None:
    theirs = of_h11(h11.CLIENT, data)
    if theirs is None:
        return
    reader = ResponseReader("GET")
    try:
        events: list[object] = [*reader.feed(data), *reader.close()]
    except BadResponse as bad:
        events = [bad]
    mine = ours(events)
    if {name for name, _ in theirs[1]} >= {b"transfer-encoding", b"content-length"}:
        assert mine is None  # h11 believes one of them
        return
    assert mine is not None
    assert (mine[0], mine[2]) == (theirs[0], theirs[2]), data
