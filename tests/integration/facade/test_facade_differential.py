"""Hundreds of raw requests, to an application and through the facade: no difference that is not explained here."""

from __future__ import annotations

import http.client
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.integration.facade.conftest import StartFacade

METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND", b"get", b"FOO")
TARGETS = (
    *(b"/", b"/a%2Fb//c/../d;p=1?x=%20&y=a+b", b"/chunked", b"/204", b"/304", b"/201?q", b"/404", b"/418", b"/500"),
    *(b"/redirect", b"/caf%C3%A9", b"//double//slash", b"/%00", b"/.", b"/?", b"/??", b"*", b"http://a/absolute?x"),
    *(b"/caf\xc3\xa9", b"/a b", b"nopath", b"/" + b"l" * 3_000),
)
FIELDS = (
    *(b"", b"X-Twice: 1\r\nX-Twice: 2\r\n", b"Cookie: a=1; b=2\r\nAccept: */*\r\n", b"X-Latin: caf\xe9\r\n"),
    *(b"X-Empty:\r\n", b"X-Blanks:   a  b  \r\n", b"x-lower: a\r\n", b"X-Colon: a:b\r\n", b"Date: today\r\n"),
    *(b"X-Tab:\ta\tb\r\n", b"X-Under_Score: 1\r\nX-Hop: 1\r\nConnection: x-hop\r\n", b"Range: bytes=0-1\r\n"),
    *(b"Upgrade: h2c\r\nHTTP2-Settings: x\r\nConnection: Upgrade, HTTP2-Settings\r\n", b"TE: trailers\r\n"),
    *(b"X-Bad : 1\r\n", b"X: a\r\n folded\r\n", b"no colon\r\n", b"X: a\x00b\r\n", b"X: a\rb\r\n", b": nameless\r\n"),
    *(b"Host: b\r\n", b"X: " + b"a" * 5_000 + b"\r\n", b"X: a\r\n" * 80, b"Expect: 100-continue\r\n"),
)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
BODIES = (
    *(b"\r\n", b"Content-Length: 0\r\n\r\n", b"Content-Length: 5\r\n\r\nhello"),
    b"Content-Length: 70000\r\n\r\n" + b"x" * 70_000,
    CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b"\r\n2;e=x\r\nhi\r\n0\r\nT: t\r\n\r\n",
    CHUNKED + b"\r\nzz\r\n",
    CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    *(b"Content-Length: +5\r\n\r\nhello", b"Transfer-Encoding: gzip\r\n\r\n"),
)
VERSIONS = (b"1.1", b"1.0")

Answer = tuple[int, str, list[tuple[str, str]], bytes]


def requests() -> Iterator[bytes]:
    """Each of a kind with the plain ones of the others, and every method with every body."""
    for method, target in product(METHODS, TARGETS):
        yield line(method, target) + b"\r\n"
    for method, body, version in product(METHODS, BODIES, VERSIONS):
        yield line(method, b"/b", version) + body
    for method, fields, version in product((b"GET", b"POST"), FIELDS, VERSIONS):
        body = b"Content-Length: 5\r\n\r\nhello" if method == b"POST" else b"\r\n"
        yield line(method, b"/f", version) + fields + body
    for host in (b"", b"Host:\r\n", b"Host: a, b\r\n", b"Host: a:80\r\n", b"Host: [::1]:80\r\n"):
        for version in VERSIONS:
            yield b"GET /h HTTP/" + version + b"\r\n" + host + b"Connection: close\r\n\r\n"


def line(method: bytes, target: bytes, version: bytes = b"1.1") -> bytes:
    return method + b" " + target + b" HTTP/" + version + b"\r\nHost: a\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def application(stack: Stack) -> Iterator[Running]:
    port = stack.take_port()
    argv = [sys.executable, "-m", "tests.integration.facade.mirror_app"]
    running = stack.spawn(f"mirror-{port}", argv, env={}, port_env="PORT", port=port, ready_path="/")
    yield running
    running.kill()


def test_no_difference_is_unexplained(launch: StartFacade, application: Running) -> None:
    facade = launch(upstream=application.url)
    sent = list(requests())
    assert len(sent) >= 500
    unexplained = {}
    explained: Counter[str] = Counter()
    for data in sent:
        direct, through = answer(application, data), answer(facade, data)
        if direct == through:
            continue
        why = next((why for why, explains in EXPLAINED.items() if explains(data, direct, through)), None)
        if why is None:
            unexplained[data[:300]] = direct, through
        else:
            explained[why] += 1
    assert not unexplained, f"{len(unexplained)} of {len(sent)}, the first: {next(iter(unexplained.items()))}"
    assert set(explained) == set(EXPLAINED), explained


def answer(server: Running, data: bytes) -> Answer:
    """Without what is of one hop."""
    with socket.create_connection(("127.0.0.1", server.port or 0), timeout=30) as client:
        client.sendall(data)
        response = http.client.HTTPResponse(client, method=data.split(b" ")[0].decode())
        try:
            response.begin()
            body = response.read()
        except (http.client.HTTPException, ConnectionError) as error:
            return 0, type(error).__name__, [], b""
        own = ("date", "connection", "transfer-encoding")
        fields = [(name, value) for name, value in response.getheaders() if name.lower() not in own]
        return response.status, response.reason, fields, body


def both_refuse(_data: bytes, direct: Answer, through: Answer) -> bool:
    """In words of their own; what two readers may understand differently is refused here by 400."""
    return 400 <= direct[0] < 600 and refused(through)


def refused(through: Answer) -> bool:
    return through[0] in (400, 431, 501, 505) and ("Content-Type", "application/problem+json") in through[2]


def absolute(data: bytes, direct: Answer, through: Answer) -> bool:
    """A proxy asks an origin server in origin form (RFC 9112 section 3.2.1)."""
    alike = direct[:2] == through[:2] and direct[3].replace(b'"http://a/', b'"/') == through[3]
    return data.split(b" ")[1].startswith(b"http://a/") and alike


def unknown_method(data: bytes, _direct: Answer, through: Answer) -> bool:
    """The reader knows the registered ones, and some more."""
    return data.startswith(b"FOO ") and refused(through)


def bad_host(data: bytes, _direct: Answer, through: Answer) -> bool:
    """RFC 9112 section 3.2: whoever reads HTTP/1.1 must refuse it. gunicorn does not."""
    return (b"\r\nHost: a, b\r\n" in data or b"\r\nHost:" not in data) and refused(through)


def of_one_hop(data: bytes, direct: Answer, through: Answer) -> bool:
    """What Connection names goes no further (RFC 9110 section 7.6.1)."""
    rest = direct[3].replace(b', "HTTP_X_HOP": "1"', b"").replace(b', "HTTP_HTTP2_SETTINGS": "x"', b"")
    return data.count(b"\r\nConnection: ") == 2 and rest == through[3]


EXPLAINED = {
    "both refuse it, each in its words": both_refuse,
    "an absolute target goes on in origin form": absolute,
    "a method that the reader does not know": unknown_method,
    "a Host that is missing or none": bad_host,
    "a field of one hop": of_one_hop,
}
