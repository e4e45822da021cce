"""Requests as a client sends them, read strictly: what two readers may understand differently is refused. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from strangler.facade.message import Framing, by_name, members
from strangler.facade.problem import HEAD_TOO_LARGE, NO_CODING, NO_VERSION, TARGET_TOO_LONG, Problem, request_refused
from strangler.facade.wire import ENDED, MOST_FIELDS, REQUEST_HEAD_BYTES, TARGET_BYTES, RequestEvent, RequestHead

_HOST = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")  # RFC 3986 section 3.2, without a user
_LENGTH = re.compile(r"[0-9]{1,18}")
_FED_AT_ONCE = 16 * 1024  # how late a bound is noticed
_FIELD_BYTES = 4  # of each, for its colon, blank and line end


class RequestReader:
    """One connection's requests, in order. A `Problem` is the last event: nothing that follows it can be told apart.

    llhttp bounds nothing: a field, a chunk's extension or a trailer that never ends is silent, and silence is bounded.
    """

    def __init__(self) -> None:
        self._events: list[RequestEvent] = []
        self._refused = False
        self._framing = Framing()
        self._goes_on = False
        self._begin()

    @property
    def begun(self) -> bool:
        """A message has begun and its head is not complete."""
        return self._begun and not self._refused

    def feed(self, data: bytes) -> list[RequestEvent]:
        """What has become complete by these bytes."""
        for start in range(0, len(data), _FED_AT_ONCE):
            self._feed(data[start : start + _FED_AT_ONCE])
        events, self._events = self._events, []
        return events

    def _feed(self, data: bytes) -> None:
        while data and not self._refused:
            self._silent += len(data)
            rest = b""
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as upgrade:  # we do not: what follows is the body, or the next request
                rest = data[upgrade.args[0] :]
                self._go_on()
            except HttpParserCallbackError as error:
                cause = error.__context__
                self._refuse(
                    cause.problem
                    if isinstance(cause, _Refuse)
                    else request_refused(f"the request cannot be read: {error}; write it as RFC 9112 says")
                )
            except HttpParserError as error:
                self._refuse(request_refused(f"the request cannot be read: {error}; write it as RFC 9112 says"))
            data = rest
        if self._silent > REQUEST_HEAD_BYTES + _FED_AT_ONCE:
            self._refuse(HEAD_TOO_LARGE)

    def _begin(self) -> None:
        self._parser = HttpRequestParser(self)
        self._silent = 0
        self._in_body = self._begun = False
        self._new()

    def _go_on(self) -> None:
        """llhttp takes a request that asks for another protocol to be without a body; another one reads that."""
        unread, self._framing = self._framing, Framing()
        self._begin()
        if not unread.empty:
            field = b"Transfer-Encoding: chunked" if unread.chunked else b"Content-Length: %d" % (unread.length or 0)
            self._goes_on = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\n" + field + b"\r\n\r\n")
            self._goes_on = False

    def _new(self) -> None:
        self._target = b""
        self._fields: list[tuple[str, str]] = []
        self._bytes = 0
        self._count = 0

    def _refuse(self, problem: Problem) -> None:
        if not self._refused:
            self._refused = True
            self._events.append(problem)

    # What httptools calls, by its names.

    def on_message_begin(self) -> None:
        self._begun = True
        self._new()

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._bytes = len(self._target)
        if self._bytes > TARGET_BYTES:
            raise _Refuse(TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._silent = 0
        self._count += 1
        self._bytes += len(name) + len(value) + _FIELD_BYTES
        if self._bytes > REQUEST_HEAD_BYTES or self._count > MOST_FIELDS:
            raise _Refuse(HEAD_TOO_LARGE)
        if not self._in_body:  # else it is a trailer, which goes no further
            self._fields.append((name.decode("latin-1"), value.decode("latin-1").strip(" \t")))

    def on_headers_complete(self) -> None:
        self._in_body, self._begun = True, False
        if self._goes_on:
            return
        head = self._head()
        if isinstance(head, Problem):
            raise _Refuse(head)
        self._silent = 0
        self._framing = head.framing if self._parser.should_upgrade() else Framing()
        self._events.append(head)

    def on_body(self, body: bytes) -> None:
        self._silent = 0
        self._events.append(body)

    def on_chunk_header(self) -> None:
        self._silent = 0

    def on_message_complete(self) -> None:
        self._silent = 0
        if self._framing.empty:  # else the body is to come
            self._in_body = False
            self._events.append(ENDED)

    def _head(self) -> RequestHead | Problem:
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            return NO_VERSION
        http_1_1 = version == "1.1"
        fields = by_name(self._fields)
        framing = _framed(fields, http_1_1=http_1_1)
        if isinstance(framing, Problem):
            return framing
        hosts = fields.get("host", [])
        if len(hosts) > 1 or (http_1_1 and not hosts) or not all(map(_HOST.fullmatch, hosts)):
            return request_refused("Host must be there once, as host:port")
        connection, method = members(fields.get("connection", [])), self._parser.get_method().decode("latin-1")
        return RequestHead(
            method,
            self._target.decode("latin-1"),
            self._fields,
            framing,
            http_1_1,
            method != "CONNECT" and ("close" not in connection if http_1_1 else "keep-alive" in connection),
            http_1_1 and not framing.empty and "100-continue" in members(fields.get("expect", [])),
        )


def _framed(fields: Mapping[str, list[str]], *, http_1_1: bool) -> Framing | Problem:
    lengths = fields.get("content-length", [])
    if "transfer-encoding" in fields:
        if lengths or not http_1_1:
            return request_refused("Transfer-Encoding goes without Content-Length, and not with HTTP/1.0")
        return Framing(chunked=True) if members(fields["transfer-encoding"]) == ["chunked"] else NO_CODING
    if not lengths:
        return Framing()
    if len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None:
        return request_refused("Content-Length is one number")
    return Framing(length=int(lengths[0]))


class _Refuse(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.kind)
        self.problem = problem
