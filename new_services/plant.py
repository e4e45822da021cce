"""Plants faults that a judge must find: does them to the world from outside, and says what it did to whom."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import stat
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

import psycopg
import requests

from outbox.connection import PsycopgConnection
from strangler.errors import BadInput, DependencyDown, RefusedError
from strangler.ownership import bucket

TIMEOUT_S = 10.0
HOLD_LIMIT_S = 900.0

MAILS = """
SELECT effect.order_ref, effect.number, effect.key, effect.body
FROM notification.effect JOIN notification.claim USING (order_ref, step)
WHERE effect.state = 'done' AND claim.kind = 'applied' AND claim.number = effect.number / 100 * 100
  AND (%(order_ref)s::text IS NULL OR effect.order_ref = %(order_ref)s)
ORDER BY effect.order_ref, effect.number"""

DOCUMENTS = """
SELECT document.order_ref, (document.version * 100)::integer AS number
FROM search.document JOIN search.claim USING (order_ref)
WHERE claim.kind = 'applied' AND claim.number = document.version * 100
  AND (%(order_ref)s::text IS NULL OR document.order_ref = %(order_ref)s)
ORDER BY document.order_ref"""

SPOIL_DOCUMENT = """
UPDATE search.document
SET body = jsonb_set(body, '{total_minor}', to_jsonb((body ->> 'total_minor')::bigint + 101))
WHERE order_ref = %(order_ref)s"""

HOLD_CLAIM = """
INSERT INTO search.claim (order_ref, step, number, kind, epoch)
VALUES (%(order_ref)s, 'search', 100, 'applied', 0)
ON CONFLICT DO NOTHING"""


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
    headers = {"Authorization": f"Bearer {_given(world.environ, 'VENDORS_ADMIN_TOKEN')}"}
    _vendor(world, "DELETE", f"/ledger/mail/{quote(key, safe='')}", headers)
    return Planted("dropped_mail", "notification", order_ref, number, "missing")


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


KINDS: Mapping[str, Callable[[World], Planted]] = {
    "dropped_mail": drop_mail,
    "doubled_mail": double_mail,
    "wrong_document": spoil_document,
}
STUCK = "stuck_event"


def plant(kind: str, environ: Mapping[str, str], *, order_ref: str | None, seed: int | None, as_json: bool) -> int:
    """Plant one fault and print it. The stuck event is held until SIGTERM, or until a piped stdin is closed."""
    if kind == STUCK and not order_ref:
        raise BadInput("stuck_event needs --order-ref: the reference of an order that is still to come")
    try:
        connection = psycopg.connect(_given(environ, "STRANGLER_DSN"), connect_timeout=10)
    except psycopg.OperationalError as error:
        raise DependencyDown("PostgreSQL does not answer; check STRANGLER_DSN") from error
    with closing(connection):
        if kind == STUCK and order_ref:
            hold_claim(connection, order_ref, as_json=as_json)
            return 0
        rng = random.Random(seed)  # noqa: S311 - dice
        _say(KINDS[kind](World(connection, environ, rng, order_ref)), as_json=as_json)
    return 0


def hold_claim(connection: PsycopgConnection, order_ref: str, *, as_json: bool) -> None:
    """Hold a coming order's claim uncommitted: its event is stuck behind it, only late, until this lets go."""
    let_go = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: let_go.set())
    if connection.execute(HOLD_CLAIM, {"order_ref": order_ref}).rowcount == 0:
        raise RefusedError(f"search has handled order {order_ref} already; name one that is still to come")
    _say(Planted(STUCK, "search", order_ref, 100, "late"), as_json=as_json)
    sys.stdout.write("ready stuck_event\n")
    sys.stdout.flush()
    _wait(let_go)
    connection.rollback()


def _wait(let_go: threading.Event) -> None:
    """A piped stdin that closes lets go too: the parent is gone. /dev/null and terminals say nothing."""
    piped = stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)
    for _ in range(int(HOLD_LIMIT_S / 0.1)):
        if let_go.wait(0.1) or (piped and select.select([sys.stdin], [], [], 0)[0] and not sys.stdin.read(1)):
            return


def _choose(world: World, candidates: str, *, half: int) -> Sequence[Any]:
    """A random candidate. Kinds that touch the same book draw from different halves: one would hide the other."""
    rows = world.connection.execute(candidates, {"order_ref": world.order_ref}).fetchall()
    world.connection.commit()
    if not rows:
        raise RefusedError("no order of the new side is done yet; move the step to ramp or live and send orders")
    own = [row for row in rows if bucket(row[0], "plant") % 2 == half]
    return world.rng.choice(own or rows)


def _vendor(world: World, method: str, path: str, headers: Mapping[str, str], body: object = None) -> None:
    url = _given(world.environ, "VENDORS_URL").rstrip("/") + path
    try:
        response = requests.request(method, url, headers=headers, json=body, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise DependencyDown(f"the mail vendor does not answer: {type(error).__name__}; check VENDORS_URL") from error
    if not response.ok:
        raise RefusedError(f"the mail vendor answered {response.status_code} to {method}; check VENDORS_ADMIN_TOKEN")


def _given(environ: Mapping[str, str], name: str) -> str:
    if not environ.get(name):
        raise BadInput(f"{name} is not set")
    return environ[name]


def _say(planted: Planted, *, as_json: bool) -> None:
    text = json.dumps(asdict(planted)) if as_json else f"{planted.kind} in {planted.step}: order {planted.order_ref}"
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
