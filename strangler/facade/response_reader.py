"""Responses as an application sends them, read tolerantly: what RFC 9112 lets a proxy mend is mended. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

from strangler.facade.message import Headers, by_name, members
from strangler.facade.wire import ENDED, MOST_FIELDS, RESPONSE_HEAD_BYTES, TOKEN, ResponseEvent, ResponseHead

_PLAIN = re.compile(rb"%b:[^\r\n]*\r(?:\n%b:[^\r\n]*\r)*" % (TOKEN.pattern, TOKEN.pattern))
_STATUS = re.compile(rb"HTTP/1\.([01])[ \t]+([1-9][0-9]{2})(?:[ \t](.*))?", re.DOTALL)
_HEAD_END = re.compile(rb"\n\r?\n")  # RFC 9112 section 2.2: a line feed alone ends a line
_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)
_LENGTH = re.compile(r"[0-9]{1,18}")
_LINE_BYTES = 16 * 1024  # of a chunk's size with its extensions, or a trailer
_PIECE_BYTES = 256 * 1024
NAMED = 5  # of the dropped fields, in a log line; of each, so many characters
NAMED_CHARACTERS = 40


class BadResponse(Exception):
    """Its end cannot be told for sure; a guess would hand one client's bytes to another."""


class _At(Enum):
    HEAD = auto()
    COUNTED = auto()
    SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    TRAILERS = auto()
    UNTIL_CLOSE = auto()
    END = auto()


class ResponseReader:
    """The one response to a request, with the 1xx before it. `reusable`: the connection may carry another request."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._buffer = bytearray()
        self._at = _At.HEAD
        self._looked = 0  # the head's end is not before this
        self._remaining = 0
        self._trailers = 0
        self.begun = False
        self.reusable = False

    def feed(self, data: bytes) -> Iterator[ResponseEvent]:
        """What has become complete by these bytes; then perhaps `BadResponse`."""
        self.begun = self.begun or bool(data)
        self._buffer += data
        while (event := self._next()) is not None:
            if event is ENDED and self._buffer:  # bytes that nobody has asked for
                self.reusable = False
            yield event

    def close(self, *, cut: bool = False) -> Iterator[ResponseEvent]:
        """The application has closed the connection; or it was `cut`, by which no answer can be known to be whole."""
        self.reusable = False
        if self._at is _At.UNTIL_CLOSE and not cut:
            self._at = _At.END
            yield ENDED
        elif self._at is not _At.END:
            raise BadResponse("the connection was closed before the answer's end")

    def _next(self) -> ResponseEvent | None:
        while self._at is not _At.END:
            match self._at:
                case _At.HEAD:
                    return self._head()
                case _At.COUNTED | _At.CHUNK | _At.UNTIL_CLOSE:
                    return self._piece()
                case _:
                    line = self._line()
                    if line is None:
                        return None
                    if self._take(line):
                        return ENDED
        return None

    def _piece(self) -> ResponseEvent | None:
        most = _PIECE_BYTES if self._at is _At.UNTIL_CLOSE else min(self._remaining, _PIECE_BYTES)
        if self._at is _At.COUNTED and not most:
            self._at = _At.END
            return ENDED
        piece = bytes(self._buffer[:most])
        if not piece:
            return None
        del self._buffer[: len(piece)]
        if self._at is not _At.UNTIL_CLOSE:
            self._remaining -= len(piece)
        if self._at is _At.CHUNK and not self._remaining:
            self._at = _At.CHUNK_END
        return piece

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", 0, _LINE_BYTES)
        if end < 0:
            if len(self._buffer) >= _LINE_BYTES:
                raise BadResponse(f"a line of chunked coding has more than {_LINE_BYTES} bytes")
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        return line

    def _take(self, line: bytes) -> bool:
        """A line between chunks; whether it was the last one."""
        if self._at is _At.SIZE:
            found = _SIZE.fullmatch(line)
            if found is None:
                raise BadResponse(f"{line[:20]!r} is no chunk's size")
            self._remaining = int(found[1], 16)
            self._at = _At.CHUNK if self._remaining else _At.TRAILERS
        elif self._at is _At.CHUNK_END:
            if line:
                raise BadResponse("a chunk is longer than its size")
            self._at = _At.SIZE
        else:
            self._trailers += 1  # they go no further: nobody has asked for them
            if self._trailers > MOST_FIELDS:
                raise BadResponse(f"more than {MOST_FIELDS} trailers")
            if not line:
                self._at = _At.END
        return self._at is _At.END

    def _head(self) -> ResponseHead | None:
        end = _HEAD_END.search(self._buffer, self._looked)
        if end is None:
            self._looked = max(0, len(self._buffer) - 2)
            if len(self._buffer) > RESPONSE_HEAD_BYTES:
                raise BadResponse(f"a head of more than {RESPONSE_HEAD_BYTES} bytes")
            return None
        start, _, rest = bytes(self._buffer[: end.start()]).partition(b"\n")
        del self._buffer[: end.end()]
        self._looked = 0
        status = _STATUS.fullmatch(start.removesuffix(b"\r"))
        if status is None:
            raise BadResponse(f"{start[:20]!r} is no status line of HTTP/1")
        if end.end() > RESPONSE_HEAD_BYTES or rest.count(b"\n") >= MOST_FIELDS:
            raise BadResponse(f"a head of more than {RESPONSE_HEAD_BYTES} bytes or {MOST_FIELDS} fields")
        headers, dropped = fields_of(rest)
        code = int(status[2])
        head = ResponseHead(code, _text(status[3] or b"").strip(" \t"), headers, dropped)
        if code == 101:
            raise BadResponse("it switches protocols, which it was not asked to")
        return head if code < 200 else self._framed(head, http_1_1=status[1] == b"1")

    def _framed(self, head: ResponseHead, *, http_1_1: bool) -> ResponseHead:
        """RFC 9112 section 6.3."""
        fields = by_name(head.headers)
        lengths = fields.get("content-length", [])
        length, codings = _length(lengths), members(fields.get("transfer-encoding", []))
        if codings and length is not None:
            raise BadResponse("both Content-Length and Transfer-Encoding")
        if "chunked" in codings[:-1]:
            raise BadResponse(f"Transfer-Encoding {codings!r}")
        connection = members(fields.get("connection", []))
        self.reusable = "close" not in connection and (http_1_1 or ("keep-alive" in connection and not codings))
        if self._method == "HEAD" or head.status in (204, 304):
            length, codings = 0, []
        if codings[-1:] == ["chunked"]:
            self._at = _At.SIZE
        elif codings or length is None:
            self._at, self.reusable = _At.UNTIL_CLOSE, False
        else:
            self._at, self._remaining = _At.COUNTED, length
        if not lengths or (len(lengths) == 1 and "," not in lengths[0]):
            return head
        return ResponseHead(head.status, head.reason, _with_one_length(head.headers), head.dropped)


def fields_of(text: bytes) -> tuple[Headers, tuple[str, ...]]:
    """The fields of a head, and the names of those that have none: these are dropped with what is folded onto them.

    >>> fields_of(b"X-Bad : 1\\r\\nA: b\\r\\n c\\r\\n" + "naïve: 1".encode() + b"\\nZ: a\\rb\\r")
    ([('X-Bad', '1'), ('A', 'b c'), ('Z', 'a b')], ('na\\xc3\\xafve',))
    """
    if _PLAIN.fullmatch(text) is not None:  # as nearly all are
        split = [line.partition(":") for line in text[:-1].decode("latin-1").split("\r\n")]
        return [(name, value.strip(" \t")) for name, _, value in split], ()
    return _mended(text.split(b"\n") if text else [])


def _mended(lines: list[bytes]) -> tuple[Headers, tuple[str, ...]]:
    fields: list[tuple[str, str]] = []
    dropped: list[str] = []
    last_is_kept = False
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if last_is_kept:
                name, value = fields[-1]
                fields[-1] = name, f"{value} {_text(line)}".strip(" \t")
            continue
        raw, colon, value_ = line.partition(b":")
        key = raw.rstrip(b" \t")
        last_is_kept = bool(colon) and TOKEN.fullmatch(key) is not None
        if last_is_kept:
            fields.append((key.decode("ascii"), _text(value_)))
        else:
            dropped.append(_text(key)[:NAMED_CHARACTERS])
    return fields, tuple(dropped)


def _text(raw: bytes) -> str:
    """As it came, but for what would end a line: RFC 9112 section 2.2 makes a blank of a bare CR."""
    return raw.removesuffix(b"\r").replace(b"\r", b" ").decode("latin-1").strip(" \t")


def _length(lengths: list[str]) -> int | None:
    """Of one or several that say the same."""
    if not lengths:
        return None
    found = set(members(lengths))
    if len(found) != 1 or _LENGTH.fullmatch(length := found.pop()) is None:
        raise BadResponse("Content-Length is not one number")
    return int(length)


def _with_one_length(headers: Headers) -> Headers:
    lengths = [field for field in headers if field[0].lower() == "content-length"]
    one = lengths[0][0], lengths[0][1].partition(",")[0].strip(" \t")
    at = list(headers).index(lengths[0])
    rest = [field for field in headers if field[0].lower() != "content-length"]
    return [*rest[:at], one, *rest[at:]]
