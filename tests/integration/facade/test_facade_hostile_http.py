"""Malformed and oversized HTTP is refused at the door: the application sees nothing of it, the facade lives on."""

from __future__ import annotations

import pytest

from strangler.local.process import Running
from tests.integration.facade.client import ask, send
from tests.support.http_stub import HttpStub

POST = b"POST /elsewhere HTTP/1.1\r\nHost: a\r\n"
SMUGGLED = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"

MALFORMED = {
    "length_and_chunks": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks_and_length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two_lengths": POST + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + SMUGGLED,
    "list_of_lengths": POST + b"Content-Length: 0, 44\r\n\r\n" + SMUGGLED,
    "signed_length": POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "chunked_twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked_hidden_by_tab": POST + b"Transfer-Encoding:\tchunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "unknown_coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks_of_http_1_0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "space_before_colon": POST + b"Content-Length : 44\r\n\r\n" + SMUGGLED,
    "folded_line": POST + b"X: a\r\n Content-Length: 44\r\n\r\n" + SMUGGLED,
    "bare_line_feed": b"GET / HTTP/1.1\nHost: a\n\n",
    "nul_in_a_value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
    "two_hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "space_in_the_target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "no_http_at_all": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "long_target": b"GET /" + b"a" * 90_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "long_field": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 90_000 + b"\r\n\r\n",
    "many_fields": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 1_100 + b"\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_refused(facade: Running, app: HttpStub, data: bytes) -> None:
    got = send(facade, data)
    assert got.split(b" ")[1] in (b"400", b"414", b"431", b"501")
    assert got.count(b"HTTP/1.1 ") == 1
    assert not app.seen
    assert ask(facade, "GET", "/").status == 200


@pytest.mark.parametrize("target", [b"/orders", b"/elsewhere"])
@pytest.mark.parametrize("chunks", [b"zz\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n"])
def test_a_malformed_chunk_never_makes_a_whole_request(
    facade: Running, app: HttpStub, target: bytes, chunks: bytes
) -> None:
    head = b"POST " + target + b" HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n"
    got = send(facade, head + chunks + SMUGGLED)
    assert got.startswith(b"HTTP/1.1 400 ")
    assert got.count(b"HTTP/1.1 ") == 1
    assert not app.seen
    assert ask(facade, "GET", "/").status == 200


def test_what_follows_a_body_is_a_request_of_its_own(facade: Running, app: HttpStub) -> None:
    """Pipelined, not smuggled: the bodies are told apart as their lengths say."""
    inner = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n"
    first = POST + b"Content-Length: %d\r\n\r\n" % len(inner) + inner
    send(facade, first + b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert [seen.line for seen in app.seen] == ["POST /elsewhere HTTP/1.1", "GET /next HTTP/1.1"]
    assert app.seen[0].body == inner


def test_a_tunnel_is_refused(facade: Running, app: HttpStub) -> None:
    got = send(facade, b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 501 ")
    assert not app.seen


def test_a_client_that_leaves_in_the_middle_of_an_order_has_placed_none(facade: Running, app: HttpStub) -> None:
    half = b"POST /orders HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 50\r\n\r\nhalf"
    assert b'"type": "urn:problem-type:strangler:body-incomplete"' in send(facade, half, then_leave=True)
    assert not app.seen
