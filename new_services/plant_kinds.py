"""The kinds of faults that a judge must find, and how each is done to the world from outside."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from zlib import crc32

import requests

from outbox import PsycopgConnection
from strangler.errors import BadInput, DependencyDown, RefusedError

TIMEOUT_S = 10.0

SENT = """
SELECT effect.subject_ref, effect.number, effect.key, effect.body
FROM {schema}.effect JOIN {schema}.claim USING (subject_ref, step)
WHERE effect.state = 'done' AND claim.kind = 'applied' AND claim.number = effect.number / 100 * 100
  AND (%(order_ref)s::text IS NULL OR effect.subject_ref = %(order_ref)s)
  AND effect.number %% 100 = 0
ORDER BY effect.subject_ref, effect.number"""
MAILS, CHARGES = SENT.format(schema="notification"), SENT.format(schema="payment")

DOCUMENTS = """
SELECT document.order_ref, (document.version * 100)::integer AS number
FROM search.document JOIN search.claim ON claim.subject_ref = document.order_ref
WHERE claim.kind = 'applied' AND claim.number = document.version * 100
  AND (%(order_ref)s::text IS NULL OR document.order_ref = %(order_ref)s)
ORDER BY document.order_ref"""

RESERVATIONS = """
SELECT reservation.order_ref, (reservation.version * 100)::integer AS number
FROM inventory.reservation JOIN inventory.claim ON claim.subject_ref = reservation.order_ref
WHERE claim.kind = 'applied' AND claim.number = reservation.version * 100 AND reservation.pieces <> '{}'
  AND (%(order_ref)s::text IS NULL OR reservation.order_ref = %(order_ref)s)
ORDER BY reservation.order_ref"""

SPOIL_DOCUMENT = """
UPDATE search.document
SET body = jsonb_set(body, '{total_minor}', to_jsonb((body ->> 'total_minor')::bigint + 101))
WHERE order_ref = %(order_ref)s"""

SPOIL_RESERVATION = """
UPDATE inventory.reservation
SET pieces = (SELECT jsonb_object_agg(sku, count::bigint + (sku = first)::integer)
              FROM jsonb_each_text(pieces) AS held (sku, count),
                   (SELECT min(sku) AS first FROM jsonb_object_keys(pieces) AS held (sku)) AS chosen)
WHERE order_ref = %(order_ref)s"""


@dataclass(frozen=True, slots=True)
class Planted:
    """A fault, and the class in which a judge must put it."""

    kind: str
    step: str
    order_ref: str
    number: int
    expected_verdict: str


@dataclass(frozen=True, slots=True)
class World:
    """Where faults are planted, and whose dice choose the order."""

    connection: PsycopgConnection
    environ: Mapping[str, str]
    rng: random.Random
    order_ref: str | None


def drop_mail(world: World) -> Planted:
    """The vendor forgets a mail that it had accepted."""
    order_ref, number, key, _ = _choose(world, MAILS, half=0)
    _forget(world, "mail", key)
    return Planted("dropped_mail", "notification", order_ref, number, "missing")


def drop_charge(world: World) -> Planted:
    """The payment provider forgets a charge: the goods go out, and nobody has paid."""
    order_ref, number, key, _ = _choose(world, CHARGES, half=0)
    _forget(world, "payments", key)
    return Planted("dropped_charge", "payment", order_ref, number, "missing")


def double_mail(world: World) -> Planted:
    """The same mail goes out again under another key."""
    order_ref, number, _, body = _choose(world, MAILS, half=1)
    _vendor(world, "POST", "/mail/messages", {"Idempotency-Key": f"planted-{world.rng.getrandbits(64):x}"}, body)
    return Planted("doubled_mail", "notification", order_ref, number, "duplicate")


def spoil_document(world: World) -> Planted:
    """A search document shows another total."""
    order_ref, number = _choose(world, DOCUMENTS, half=0)
    with world.connection.transaction():
        world.connection.execute(SPOIL_DOCUMENT, {"order_ref": order_ref})
    return Planted("wrong_document", "search", order_ref, number, "mismatch")


def spoil_reservation(world: World) -> Planted:
    """A reservation holds one piece more of a SKU than the order has."""
    order_ref, number = _choose(world, RESERVATIONS, half=0)
    with world.connection.transaction():
        world.connection.execute(SPOIL_RESERVATION, {"order_ref": order_ref})
    return Planted("wrong_reservation", "inventory", order_ref, number, "mismatch")


KINDS: Mapping[str, Callable[[World], Planted]] = {
    "dropped_mail": drop_mail,
    "doubled_mail": double_mail,
    "wrong_document": spoil_document,
    "dropped_charge": drop_charge,
    "wrong_reservation": spoil_reservation,
}


def _choose(world: World, candidates: str, *, half: int) -> Sequence[Any]:
    """A random candidate. Kinds that touch the same book draw from different halves: one would hide the other."""
    rows = world.connection.execute(candidates, {"order_ref": world.order_ref}).fetchall()
    world.connection.commit()
    if not rows:
        raise RefusedError("no order of the new side is done yet; move the step to ramp or live and send orders")
    own = [row for row in rows if crc32(row[0].encode()) % 2 == half]
    return world.rng.choice(own or rows)


def _forget(world: World, book: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {given(world.environ, 'VENDORS_ADMIN_TOKEN')}"}
    _vendor(world, "DELETE", f"/ledger/{book}/{quote(key, safe='')}", headers)


def _vendor(world: World, method: str, path: str, headers: Mapping[str, str], body: object = None) -> None:
    url = given(world.environ, "VENDORS_URL").rstrip("/") + path
    try:
        response = requests.request(method, url, headers=headers, json=body, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise DependencyDown(f"the vendor does not answer: {type(error).__name__}; check VENDORS_URL") from error
    if not response.ok:
        raise RefusedError(f"the vendor answered {response.status_code} to {method}; check VENDORS_ADMIN_TOKEN")


def given(environ: Mapping[str, str], name: str) -> str:
    if not environ.get(name):
        raise BadInput(f"{name} is not set")
    return environ[name]
