"""Losses that a judge must find, done from outside to orders that have been done with for a while."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, LiteralString

import psycopg
import requests

from new_services.plant import plant_kind
from outbox.connection import PsycopgConnection
from strangler.errors import RefusedError
from strangler.step.intents import effect_key

REST_S = 6.0  # after that a relay's or a client's repeat no longer makes up for what was lost
STEP_OF = {
    "dropped_mail": "notification",
    "doubled_mail": "notification",
    "wrong_document": "search",
    "dropped_charge": "payment",
    "wrong_reservation": "inventory",
}

SETTLED: LiteralString = """
    o.status = 'placed' AND o.version = 1 AND o.created_at < now() - make_interval(secs => %(rest_s)s)
    AND NOT o.order_ref = ANY (%(taken)s)"""
# The middle acts on the order as it was received, the tail on its being placed.
ACTS_ON: Mapping[LiteralString, LiteralString] = {
    **dict.fromkeys(("fraud", "inventory", "payment"), "1"),
    **dict.fromkeys(("notification", "search", "recommendation"), "2"),
}
APPLIED: dict[str, LiteralString] = {
    step: f"""
SELECT o.order_ref FROM legacy.orders AS o JOIN {step}.claim ON claim.subject_ref = o.order_ref
WHERE claim.kind = 'applied' AND claim.number = 100 * {version} AND {SETTLED} ORDER BY o.order_ref"""
    for step, version in ACTS_ON.items()
}


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows that vanish: `number` is the effect's, `among` says of which orders, `gone` is what is done to one."""

    step: str
    number: int
    among: LiteralString
    gone: LiteralString


def _recorded(step: LiteralString) -> LiteralString:
    return f"""
SELECT o.order_ref FROM legacy.orders AS o JOIN strangler.seam_record AS r ON r.subject_ref = o.order_ref
WHERE r.step = '{step}' AND r.version = 2 AND r.state = 'done' AND NOT EXISTS (
    SELECT FROM strangler.hand_back AS h WHERE (h.subject_ref, h.step) = (r.subject_ref, r.step))
  AND {SETTLED} ORDER BY o.order_ref"""


def _shadowed(step: LiteralString) -> LiteralString:
    return f"""
SELECT o.order_ref FROM legacy.orders AS o JOIN strangler.seam_record AS r ON r.subject_ref = o.order_ref
JOIN {step}.intent AS i ON (i.subject_ref, i.step, i.version) = (r.subject_ref, r.step, r.version)
WHERE r.step = '{step}' AND r.version = 2 AND r.state = 'done' AND {SETTLED} ORDER BY o.order_ref"""


def _delete(table: LiteralString, more: LiteralString = "") -> LiteralString:
    toolkit = table.endswith((".claim", ".effect", ".intent", ".seam_record"))
    key: LiteralString = "subject_ref" if toolkit else "order_ref"
    return f"DELETE FROM {table} WHERE {key} = %(order_ref)s {more}"


ROWS: Mapping[str, Lost] = {
    "lost_document": Lost("search", 200, APPLIED["search"], _delete("search.document")),
    "lost_basket": Lost("recommendation", 200, APPLIED["recommendation"], _delete("recommendation.basket")),
    "lost_reservation": Lost("inventory", 100, APPLIED["inventory"], _delete("inventory.reservation")),
    "lost_decision": Lost("fraud", 101, APPLIED["fraud"], _delete("fraud.decision")),
    "lost_payment": Lost("payment", 101, APPLIED["payment"], _delete("payment.payment")),
    "lost_record_of_search": Lost(
        "search", 200, _recorded("search"), _delete("strangler.seam_record", "AND step = 'search'")
    ),
    "lost_record_of_recommendation": Lost(
        "recommendation",
        200,
        _recorded("recommendation"),
        _delete("strangler.seam_record", "AND step = 'recommendation'"),
    ),
    "lost_shadow_of_search": Lost("search", 200, _shadowed("search"), _delete("search.intent")),
    "lost_shadow_of_mail": Lost("notification", 200, _shadowed("notification"), _delete("notification.intent")),
    # As if the consumer had passed the event: no claim, no effect, and nothing at the gateway.
    "skipped_mail": Lost(
        "notification",
        200,
        APPLIED["notification"],
        f"WITH claimed AS ({_delete('notification.claim')}) {_delete('notification.effect')}",
    ),
    "claimed_mail": Lost("notification", 200, APPLIED["notification"], _delete("notification.effect")),
}
FORGOTTEN_TOO = ("skipped_mail", "claimed_mail")  # else the gateway's own account says that it was sent
EVERY = (*ROWS, *STEP_OF)


@dataclass(frozen=True, slots=True)
class Planted:
    """What was done to whom; `verdict` is the class in which the judge must put it."""

    kind: str
    step: str
    order_ref: str
    number: int
    verdict: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Planter:
    """No order is struck twice: one loss could hide the other."""

    def __init__(self, environ: Mapping[str, str], rng: random.Random) -> None:
        self._environ, self._rng = environ, rng
        self.planted: list[Planted] = []

    def plant(self, kind: str) -> Planted | None:
        """The kind, or one of the others where nobody can have it now; None: of nobody anything can be lost yet."""
        others = [other for other in EVERY if other != kind]
        with psycopg.connect(self._environ["STRANGLER_DSN"]) as connection:
            for each in (kind, *self._rng.sample(others, len(others))):
                planted = self._try(connection, each)
                if planted is not None:
                    self.planted.append(planted)
                    return planted
        return None

    def _try(self, connection: PsycopgConnection, kind: str) -> Planted | None:
        lost = ROWS.get(kind)
        among = lost.among if lost else APPLIED[STEP_OF[kind]]
        known = {"rest_s": REST_S, "taken": [one.order_ref for one in self.planted]}
        refs = [ref for (ref,) in connection.execute(among, known)]
        connection.commit()
        if not refs:
            return None
        ref = self._rng.choice(refs)
        if lost is None:
            return self._by_hand(connection, kind, ref)
        if kind in FORGOTTEN_TOO and not self._forget_mail(ref):
            return None
        if not connection.execute(lost.gone, {"order_ref": ref}).rowcount:
            return None
        connection.commit()
        return Planted(kind, lost.step, ref, lost.number, "missing")

    def _by_hand(self, connection: PsycopgConnection, kind: str, ref: str) -> Planted | None:
        try:
            done = plant_kind(kind, self._environ, order_ref=ref, seed=self._rng.getrandbits(32))
        except RefusedError:  # the effect is still on its way
            connection.rollback()
            return None
        return Planted(kind, done.step, done.subject_ref, done.number, done.expected_verdict)

    def _forget_mail(self, ref: str) -> bool:
        """The gateway has it no more; False while it never had."""
        url = f"{self._environ['VENDORS_URL']}/ledger/mail/{effect_key(ref, 'notification', 200)}"
        headers = {"Authorization": f"Bearer {self._environ['VENDORS_ADMIN_TOKEN']}"}
        return requests.delete(url, headers=headers, timeout=10).ok
