"""Records of any bytes: keys, values and headers that no relay of ours writes. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.faults.record_sent import Record, Writer

Headers = list[tuple[str, bytes | None]]
Spoil = Callable[[random.Random, Headers], Headers]


class AnyName(str):
    """A header's name of any bytes; the client asks it for them as for those of any text."""

    __slots__ = ("raw",)
    raw: bytes

    def __new__(cls, raw: bytes) -> AnyName:
        made = super().__new__(cls, raw.decode("latin-1"))
        made.raw = raw
        return made

    def __reduce__(self) -> tuple[type[AnyName], tuple[bytes]]:
        return AnyName, (self.raw,)

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:  # noqa: ARG002 - as `str` has it
        return self.raw


def odd_keys(rng: random.Random) -> list[bytes]:
    """Keys that an event may have: any text, however long."""
    long = "".join(chr(rng.randrange(33, 126)) for _ in range(6_000))
    return [b"", b"\0", "\U0001d11e\u00e9".encode(), b"'; --", long.encode(), (long + "'").encode()]


def garbage(rng: random.Random, key: bytes | None, writer: Writer) -> Record:
    """Something that may or may not be an event; of a key of others', where one is given."""
    model = writer.valid(b"model", "Plain", b"{}", placed=False)
    headers: Headers = list(model.headers)
    headers = rng.choice(SPOILT)(rng, headers)
    own = rng.choice((None, b"\xff\xfe", b"\xed\xa0\x80", rng.randbytes(rng.randrange(3_000)), b"garbage"))
    value = rng.choice((None, b"", b"\0\xff", rng.randbytes(rng.randrange(2_000)), b"[" * 5_000))
    key = own if key is None else key
    return Record(key, b"" if key is None else value, tuple(headers))  # the client refuses what has neither


def _without(name: str) -> Spoil:
    return lambda _, headers: [one for one in headers if one[0] != name]


def _instead(name: str, *values: bytes | None) -> Spoil:
    return lambda rng, headers: [(one, rng.choice(values) if one == name else value) for one, value in headers]


def _any(rng: random.Random, _: Headers) -> Headers:
    return [(AnyName(rng.randbytes(rng.randrange(20))), rng.choice((None, rng.randbytes(9)))) for _ in range(9)]


SPOILT: list[Spoil] = [
    lambda _rng, _headers: [],
    _any,
    lambda rng, headers: headers + _any(rng, headers),
    lambda _rng, headers: headers + headers,
    lambda rng, headers: rng.sample(headers, len(headers)),
    lambda rng, headers: [*headers, ("huge", rng.randbytes(1_000) * 400)],
    lambda rng, headers: [*headers, *((f"more-{number}", b"\0") for number in range(rng.randrange(2_000)))],
    lambda _rng, headers: [*headers, (AnyName(b"\xed\xa0\x80"), b"\xed\xa0\x80"), (AnyName(b"\0"), None)],
    _without("id"),
    _without("type"),
    _without("version"),
    _instead(
        "id", None, b"", b"\0", b"7", b"-" * 40, b"+" + b"0" * 31, b"_" * 32, "\u0661".encode() * 32, b"f" * 31 + b"g"
    ),
    _instead("type", None, b"", b"\0", b"\xff", b"T" * 70_000, b"\xed\xa0\x80"),
    _instead("version", None, b"", b"0", b"-1", b"1" + b"0" * 30, b"9" * 9_000, b"\0", b"1_0", "\u0662".encode()),
    lambda rng, headers: [*headers, ("context", rng.choice((b"=;", b"(" * 9_000, b"a=" + b"1" * 5_000, b"\xff")))],
    lambda rng, headers: [*headers, ("traceparent", rng.choice((b"\xff", b"\0", b"0" * 70_000)))],
    lambda rng, headers: [
        *headers,
        ("position", rng.choice((b"", b"::", b"1/s:-1:0", b"s\0:1:0", b"s:1:" + b"9" * 20))),
    ],
    lambda rng, headers: [
        *headers,
        ("position", None),
        ("aggregateid", rng.choice((None, b"\0", b"\xff", b"a" * 9_000))),
    ],
]
