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
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict

import psycopg

from new_services.plant_kinds import KINDS, Planted, World, given
from outbox import PsycopgConnection
from strangler.errors import BadInput, DependencyDown, RefusedError

HOLD_LIMIT_S = 900.0

HOLD_CLAIM = """
INSERT INTO search.claim (subject_ref, step, number, kind, epoch)
VALUES (%(order_ref)s, 'search', 100, 'applied', 0)
ON CONFLICT DO NOTHING"""


STUCK = "stuck_event"


def plant(kind: str, environ: Mapping[str, str], *, order_ref: str | None, seed: int | None, as_json: bool) -> int:
    """Plant one fault and print it. The stuck event is held until SIGTERM, or until a piped stdin is closed."""
    if kind == STUCK and not order_ref:
        raise BadInput("stuck_event needs --order-ref: the reference of an order that is still to come")
    try:
        connection = psycopg.connect(given(environ, "STRANGLER_DSN"), connect_timeout=10)
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


def _say(planted: Planted, *, as_json: bool) -> None:
    text = json.dumps(asdict(planted)) if as_json else f"{planted.kind} in {planted.step}: order {planted.order_ref}"
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
