"""Records that a context cannot handle, each with what quarantine must say of it. Written by hand from the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from outbox.event import Event
from outbox.kafka.codec import Headers, to_headers
from tests.support.orders import cancelled as any_cancelled
from tests.support.orders import of_type
from tests.support.orders import placed as any_placed

OWNED = "search=new"
# Nothing was told of these orders before they were placed.
placed, cancelled = partial(any_placed, version=1), partial(any_cancelled, version=2)


@dataclass(frozen=True, slots=True)
class Bad:
    """`reason` is part of what is said of it, `cause` what is counted. A key that is None has no successors."""

    name: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    reason: str
    cause: str


def bad_records(prefix: str) -> list[Bad]:
    """One of each, each of an order of its own."""
    made: list[Bad] = []

    def add(name: str, reason: str, change: Callable[[Event], Event], cause: str = "poison") -> None:
        event = change(placed(f"{prefix}-{name}", OWNED))
        made.append(Bad(name, event.aggregate_id.encode(), event.payload, to_headers(event, None), reason, cause))

    def spoil(
        name: str,
        reason: str,
        *,
        headers: Callable[[Headers], Headers] = list,
        keyless: bool = False,
        empty: bool = False,
    ) -> None:
        event = placed(f"{prefix}-{name}", OWNED)
        key = None if keyless else event.aggregate_id.encode()
        value = None if empty else event.payload
        made.append(Bad(name, key, value, headers(to_headers(event, None)), reason, "undecodable"))

    add("not-text", "payload is not JSON", lambda event: replace(event, payload=b"\xff\x00"))
    add("not-an-object", "payload is a JSON list", lambda event: replace(event, payload=b"[1]"))
    add("unknown-type", "unknown event type 'OrderShipped'", lambda event: of_type(event, "OrderShipped"))
    add("wrong-tenant", "wrong tenant: the order is of 'shop', the event of 'merchant-7'", of_another_tenant)
    add(
        "version-too-high",
        "aggregate version 2147483648 is not in",
        lambda event: replace(event, aggregate_version=2**31),
    )
    for header in ("id", "type", "version"):
        spoil(f"no-{header}", f"it has no header '{header}'", headers=without(header))
    spoil("no-headers", "it has no header", headers=lambda _: [])
    spoil("bad-version", "its version is 0, below 1", headers=instead("version", b"0"))
    spoil("bad-id", "a header cannot be read", headers=instead("id", b"7"))
    spoil("bad-context", "a header cannot be read", headers=instead("context", b"=;"))
    spoil("not-utf-8", "not UTF-8", headers=instead("type", b"\xff"))
    spoil("like-a-position", "a header cannot be read", headers=lambda own: [*own, ("position", b"position")])
    spoil("no-value", "it has no key or no value", empty=True)
    spoil("no-key", "it has no key or no value", keyless=True)
    return made


def successor(bad: Bad) -> Event | None:
    """A healthy event of the same order, which must wait behind it."""
    return None if bad.key is None else cancelled(bad.key.decode(), OWNED)


def of_another_tenant(event: Event) -> Event:
    return replace(event, context={**event.context, "tenant": "merchant-7"})


def without(name: str) -> Callable[[Headers], Headers]:
    return lambda headers: [header for header in headers if header[0] != name]


def instead(name: str, value: bytes) -> Callable[[Headers], Headers]:
    return lambda headers: [(header, value if header == name else own) for header, own in headers]
