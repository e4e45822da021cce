"""Subjects that were there before: a command by the application's own id pins them, under one reference for good."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import psycopg
import pytest
from psycopg.errors import InvalidParameterValue

from outbox.connection import PsycopgConnection
from strangler.facade import claims
from strangler.facade.claims import Stages
from strangler.facade.idempotency import Held, RequestClaim
from strangler.local.process import Running
from strangler.ownership import Ownership
from tests.integration.facade.client import Answer, ask
from tests.integration.facade.test_facade_ownership import ADD, STEP, flip
from tests.support.http_stub import HttpStub, answer
from tests.support.on_loop import on_loop
from tests.support.waiting import wait_until

PIN_ALIAS = "SELECT strangler.pin_alias('order', %s, %s)"
PIN_PART = "SELECT strangler.pin_part(%s, %s)"
OWNERSHIP = "SELECT owners, epoch, part_of FROM strangler.ownership WHERE subject_ref = %s"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.fixture(autouse=True)
def staged(app: HttpStub, connection: PsycopgConnection) -> None:
    connection.execute(ADD, (STEP,))
    app.reply = lambda _: answer(200, b"{}")


@pytest.fixture
def native() -> str:
    """An id of this test only."""
    return str(secrets.randbelow(10**12))


def cancel(facade: Running, native: str, **fields: str) -> Answer:
    return ask(facade, "POST", f"/bookings/{native}/cancel", b"{}", {n.replace("_", "-"): v for n, v in fields.items()})


def sent(app: HttpStub) -> list[tuple[list[str], list[str]]]:
    return [(seen.values("Strangler-Order-Ref"), seen.values("Strangler-Ownership")) for seen in app.asked("POST")]


def test_an_unknown_id_is_pinned_at_its_next_command_and_keeps_reference_and_owner(
    facade: Running, app: HttpStub, connection: PsycopgConnection, native: str
) -> None:
    epoch = flip(connection)
    assert cancel(facade, native).status == 200
    flip(connection)
    assert cancel(facade, native).status == 200
    first, second = sent(app)
    assert first == second
    assert first[0] == [f"order:{native}"]
    assert Ownership.from_header(first[1][0]).epoch == epoch
    assert connection.execute(OWNERSHIP, (f"order:{native}",)).fetchone() == (first[1][0], epoch, None)


def test_a_known_id_keeps_its_reference(
    facade: Running, app: HttpStub, connection: PsycopgConnection, native: str
) -> None:
    assert connection.execute(PIN_ALIAS, (native, f"R-{native}")).fetchone() == (f"R-{native}",)
    assert cancel(facade, native).status == 200
    assert sent(app)[0][0] == [f"R-{native}"]
    assert connection.execute(OWNERSHIP, (f"order:{native}",)).fetchone() is None


def test_a_command_by_id_with_a_key_is_carried_out_once(
    facade: Running, app: HttpStub, connection: PsycopgConnection, native: str, key: str
) -> None:
    first = cancel(facade, native, Idempotency_Key=key)
    connection.execute(PIN_ALIAS, (native, f"R-{native}"))
    again = cancel(facade, native, Idempotency_Key=key)
    assert (first.status, again.field("Idempotency-Replayed"), len(sent(app))) == (200, "?1", 1)


@pytest.mark.parametrize("known", [True, False])
def test_a_command_that_loses_the_race_for_an_id_takes_the_reference_that_won(
    connection: PsycopgConnection, dsn: str, native: str, known: bool
) -> None:
    """The application commits its alias while the command waits for it, or another command has the same guess."""
    claim = RequestClaim("anonymous", native, b"", f"order:{native}", 30, 60, native=("order", native))
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn) as other:
        other.execute(PIN_ALIAS, (native, f"R-{native}" if known else None))
        pinned = pool.submit(on_loop, dsn, partial(claims.pin, claim=claim, stages=Stages()))
        wait_until(lambda: connection.execute(WAITING).fetchone() == (1,))
        other.commit()
        held = pinned.result(30)
    assert isinstance(held, Held)
    assert held.claim.subject_ref == (f"R-{native}" if known else f"order:{native}")
    pins = "SELECT subject_ref FROM strangler.ownership WHERE subject_ref LIKE '%%' || %s"
    assert connection.execute(pins, (native,)).fetchall() == [(held.claim.subject_ref,)]
    requests = "SELECT subject_ref FROM strangler.idempotency WHERE key = %s"
    assert connection.execute(requests, (native,)).fetchall() == [(held.claim.subject_ref,)]


def test_a_subject_that_is_made_takes_its_id_over(connection: PsycopgConnection, native: str) -> None:
    """Whoever asked for the id before asked for something that was not there."""
    for ref, found in ((None, f"order:{native}"), (f"R-{native}", f"R-{native}"), (None, f"R-{native}")):
        assert connection.execute(PIN_ALIAS, (native, ref)).fetchone() == (found,)


def test_the_parts_of_a_request_have_the_owners_of_their_base(
    facade: Running, connection: PsycopgConnection, native: str
) -> None:
    cancel(facade, native)
    base = f"order:{native}"
    owners, epoch, _ = connection.execute(OWNERSHIP, (base,)).fetchone() or ("", 0, None)
    flip(connection)
    for _ in range(2):
        assert connection.execute(PIN_PART, (base, f"{base}.1")).fetchone() == (owners,)
    assert connection.execute(OWNERSHIP, (f"{base}.1",)).fetchone() == (owners, epoch, base)
    assert connection.execute(PIN_PART, ("unpinned", "unpinned.1")).fetchone() == (None,)
    with pytest.raises(InvalidParameterValue, match="must be called"):
        connection.execute(PIN_PART, (base, "mine"))


def test_an_id_with_a_control_character_is_refused(facade: Running, app: HttpStub) -> None:
    assert cancel(facade, "1%0A2").status == 400
    assert not sent(app)
