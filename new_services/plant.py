"""The shop's own names for faults that a judge must find, and those that only the shop knows how to plant."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import LiteralString
from urllib.parse import quote
from zlib import crc32

import requests

from new_services.inventory.service import inventory
from new_services.notification.service import notification
from new_services.payment.service import payment
from new_services.search.service import search
from strangler import Service
from strangler.errors import BadInput, DependencyDown, RefusedError
from strangler.planting import STUCK, Planted, World, hold_claim, opened, plant

TIMEOUT_S = 10.0

RESERVATIONS: LiteralString = """
SELECT reservation.order_ref, (reservation.version * 100)::integer
FROM reservation JOIN claim ON claim.subject_ref = reservation.order_ref
WHERE claim.step = %(step)s AND claim.kind = 'applied' AND claim.number = reservation.version * 100
  AND reservation.pieces <> '{}' ORDER BY 1"""
SPOIL_RESERVATION: LiteralString = """
UPDATE reservation
SET pieces = (SELECT jsonb_object_agg(sku, count::bigint + (sku = first)::integer)
              FROM jsonb_each_text(pieces) AS held (sku, count),
                   (SELECT min(sku) AS first FROM jsonb_object_keys(pieces) AS held (sku)) AS chosen)
WHERE order_ref = %(ref)s"""


def drop_entry(book: str) -> Callable[[World], Planted]:
    """The vendor forgets what it had accepted: it has a route for that, for this purpose only."""

    def drop(world: World) -> Planted:
        call = world.done_call()
        _forget(world.environ, book, call.key)
        return Planted("dropped_entry", world.step, call.subject_ref, call.number, "missing")

    return drop


def spoil_reservation(world: World) -> Planted:
    """A reservation holds one piece more of a SKU than the order has."""
    ref, number = world.choose(world.context, RESERVATIONS)
    world.spoil(world.context, SPOIL_RESERVATION, ref=ref)
    return Planted("altered_reservation", world.step, ref, number, "mismatch")


KINDS: Mapping[str, tuple[Service, Callable[[World], Planted]]] = MappingProxyType(
    {
        "dropped_mail": (notification, drop_entry("mail")),
        "doubled_mail": (notification, lambda world: plant("doubled_entry", world)),
        "wrong_document": (search, lambda world: plant("altered_row", world)),
        "dropped_charge": (payment, drop_entry("payments")),
        "wrong_reservation": (inventory, spoil_reservation),
    }
)


def plant_kind(
    kind: str, environ: Mapping[str, str], *, order_ref: str | None = None, seed: int | None = None
) -> Planted:
    """Plant one fault. Dropping and doubling prefer different halves of the orders: one would hide the other."""
    service, spoil = KINDS[kind]
    half = int(kind.startswith("doubled"))
    with opened(
        service,
        environ,
        subject_ref=order_ref,
        seed=seed,
        prefers=lambda ref: crc32(ref.encode()) % 2 == half,
    ) as world:
        return replace(spoil(world), kind=kind)


def main(kind: str, environ: Mapping[str, str], *, order_ref: str | None, seed: int | None, as_json: bool) -> int:
    """Plant one fault and print it. The stuck event is held until SIGTERM, or until a piped stdin is closed."""
    if kind != STUCK:
        _say(plant_kind(kind, environ, order_ref=order_ref, seed=seed), as_json=as_json)
        return 0
    if not order_ref:
        raise BadInput("stuck_event needs --order-ref: the reference of an order that is still to come")
    with opened(search, environ) as world:
        hold_claim(world, order_ref, lambda planted: _say(planted, as_json=as_json))
    return 0


def _forget(environ: Mapping[str, str], book: str, key: str) -> None:
    url = f"{_given(environ, 'VENDORS_URL').rstrip('/')}/ledger/{book}/{quote(key, safe='')}"
    headers = {"Authorization": f"Bearer {_given(environ, 'VENDORS_ADMIN_TOKEN')}"}
    try:
        response = requests.delete(url, headers=headers, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise DependencyDown(f"the vendor does not answer: {type(error).__name__}; check VENDORS_URL") from error
    if not response.ok:
        raise RefusedError(f"the vendor answered {response.status_code} to DELETE; check VENDORS_ADMIN_TOKEN")


def _given(environ: Mapping[str, str], name: str) -> str:
    if not environ.get(name):
        raise BadInput(f"{name} is not set")
    return environ[name]


def _say(planted: Planted, *, as_json: bool) -> None:
    said = f"{planted.kind} in {planted.step}: order {planted.subject_ref}"
    sys.stdout.write((json.dumps(asdict(planted)) if as_json else said) + "\n")
    sys.stdout.flush()
