"""Which header fields pass the facade, in both directions. Pure: order, duplicates and names stay."""

from __future__ import annotations

from collections.abc import Collection

from strangler.facade.message import Headers, options, values

# RFC 9110 section 7.6.1; what `Connection` names is for one hop as well.
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
# `Connection: host` must not take away what the next hop cannot do without.
NEVER_HOP_BY_HOP = frozenset({"host", "content-length", "content-type"})
_SET_HERE = frozenset({"content-length", "x-forwarded-for"})
CONTROL_PREFIX = "strangler-"
# A WSGI server reads `X_Y` as `X-Y`: such a twin of a field that we set or drop would pass for the real one.
_FORWARDED = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"})
_NO_TWIN = HOP_BY_HOP | _SET_HERE | _FORWARDED | {"host", "expect", "content-type", "idempotency-key"}

# They open, renew or end one client's session, or prove something of one exchange: a replay must not.
GIVEN_ONCE = frozenset(
    {"set-cookie", "set-cookie2", "www-authenticate", "authentication-info", "proxy-authentication-info"}
    | {"clear-site-data", "dpop-nonce"}
)

# For looking up a subject on a client's behalf: who asks and what it can read, nothing of the write itself.
_OF_THE_ASKER = frozenset(
    {"host", "authorization", "cookie", "accept", "accept-language", "user-agent", "traceparent", "tracestate"}
    | _FORWARDED
)


def to_upstream(headers: Headers, *, peer: str, scheme: str) -> list[tuple[str, str]]:
    """The request's fields for the next hop, without framing, which belongs to whoever sends the body.

    `X-Forwarded-For` is appended to; `-Proto` and `-Host` that are there already are kept, so that the application
    sees what it would have seen without us.
    """
    hop = _hop_by_hop(headers)
    kept = [(name, value) for name, value in headers if _passes(name.lower(), hop)]
    present = {name.lower() for name, _ in kept}
    hosts = values(headers, "host")
    kept.append(("X-Forwarded-For", ", ".join([*values(headers, "x-forwarded-for"), peer])))
    if "x-forwarded-proto" not in present:
        kept.append(("X-Forwarded-Proto", scheme))
    if "x-forwarded-host" not in present and hosts:
        kept.append(("X-Forwarded-Host", hosts[0]))
    return kept


def to_client(headers: Headers) -> list[tuple[str, str]]:
    """The response's fields for the client. A coding beneath `chunked` stays, for nobody here takes it off."""
    hop = _hop_by_hop(headers)
    kept = [(name, value) for name, value in headers if name.lower() not in hop]
    codings = [coding for coding in options(headers, "transfer-encoding") if coding != "chunked"]
    return [*kept, ("Transfer-Encoding", ", ".join(codings))] if codings else kept


def without(headers: Headers, secret: Collection[str]) -> list[tuple[str, str]]:
    """The fields that are none of these. `X_A` is `X-A`, on both sides: a WSGI server reads them as one.

    >>> without([("x_account", "ann"), ("Accept", "*/*")], ["X-Account"])
    [('Accept', '*/*')]
    """
    folded = {_folded(name) for name in secret}
    return [(name, value) for name, value in headers if _folded(name) not in folded]


def is_field_value(text: str) -> bool:
    """Whether a field carries this text unchanged: printable ASCII without blanks at its ends."""
    return text.isascii() and text.isprintable() and text == text.strip() != ""


def to_keep(headers: Headers) -> list[tuple[str, str]]:
    """An answer's fields as they may be given again: none that are for one client at one time."""
    return [(name, value) for name, value in headers if name.lower() not in GIVEN_ONCE]


def to_look_up(headers: Headers, also: Collection[str] = ()) -> list[tuple[str, str]]:
    """Of fields for the upstream, those with which the same client may ask for its subject; `also` in lower case."""
    return [(name, value) for name, value in headers if name.lower() in _OF_THE_ASKER or name.lower() in also]


def _folded(name: str) -> str:
    return name.lower().replace("_", "-")


def _hop_by_hop(headers: Headers) -> frozenset[str]:
    named = _named_by_connection(headers)
    return HOP_BY_HOP | (frozenset(named) - NEVER_HOP_BY_HOP) if named else HOP_BY_HOP


def _named_by_connection(headers: Headers) -> list[str]:
    return options(headers, "connection")


def _passes(name: str, hop: frozenset[str]) -> bool:
    if name in hop or name in _SET_HERE or name.startswith(CONTROL_PREFIX):
        return False
    if "_" not in name:
        return True
    twin = name.replace("_", "-")
    return twin not in _NO_TWIN and not twin.startswith(CONTROL_PREFIX)
