"""Ownership is pinned with the claim, at the epoch of that moment, and stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.facade.idempotency import mint_ref
from strangler.local.process import Running
from strangler.ownership import Owner, Ownership
from strangler.routes import ANONYMOUS
from strangler.stages import Move, Stage, plan_move
from strangler.store import lock_stages, move, read_stages
from tests.integration.facade.client import ask, order
from tests.integration.facade.shop import Shop
from tests.support.http_stub import HttpStub
from tests.support.waiting import wait_until

STEP = "notification"
ADD = "INSERT INTO strangler.stage (step, stage, ramp_bp, salt) VALUES (%s, 'legacy', 0, 's') ON CONFLICT DO NOTHING"


@pytest.fixture
def shop(app: HttpStub, connection: PsycopgConnection) -> Shop:
    connection.execute(ADD, (STEP,))
    return Shop(app)


def flip(connection: PsycopgConnection) -> int:
    """Move the step between legacy and shadow; the epoch that begins."""
    with connection.transaction():
        lock_stages(connection)
        row = read_stages(connection).row(STEP)
        assert row is not None
        planned = plan_move(row, Stage.SHADOW if row.stage is Stage.LEGACY else Stage.LEGACY)
        assert isinstance(planned, Move)
        return move(connection, planned, actor="test", reason="flip")


def pinned(connection: PsycopgConnection, key: str) -> Ownership:
    query = "SELECT owners FROM strangler.ownership WHERE subject_ref = %s"
    row = connection.execute(query, (mint_ref(ANONYMOUS, key),)).fetchone()
    assert row is not None
    return Ownership.from_header(row[0])


def test_each_order_is_pinned_at_the_epoch_of_its_moment(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    for turn in range(10):
        epoch = flip(connection)
        assert order(facade, f"{key}-{turn}").status == 201
        own = Ownership.from_header(shop.posted[-1].values("Strangler-Ownership")[0])
        assert own == pinned(connection, f"{key}-{turn}")
        table = read_stages(connection).row(STEP)
        assert table is not None
        assert (own.epoch, own.of(STEP)) == (epoch, Owner(table.stage.value))


def test_a_repeat_after_a_move_changes_nothing(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    shop.refuse = True
    order(facade, key)
    before = pinned(connection, key)
    flip(connection)
    order(facade, key)
    assert pinned(connection, key) == before
    assert {tuple(seen.values("Strangler-Ownership")) for seen in shop.posted} == {(before.to_header(),)}


def test_an_order_keeps_its_owner_when_its_key_is_claimed_anew(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    """The claim has expired and was removed, and the order that it was for was never made."""
    order(facade, key)
    before = pinned(connection, key)
    connection.execute("DELETE FROM strangler.idempotency WHERE key = %s", (key,))
    shop.orders.clear()
    flip(connection)
    order(facade, key)
    assert [seen.values("Strangler-Ownership") for seen in shop.posted] == [[before.to_header()]] * 2


def test_a_client_cannot_name_the_owner_or_the_order(facade: Running, shop: Shop, key: str) -> None:
    order(facade, key, Strangler_Ownership="epoch=99, payment=new", Strangler_Order_Ref="mine")
    (seen,) = shop.posted
    assert seen.values("Strangler-Order-Ref") == [mint_ref(ANONYMOUS, key)]
    assert "epoch=99" not in seen.values("Strangler-Ownership")[0]
    assert len(seen.values("Strangler-Ownership")) == 1


def test_a_command_has_the_ownership_of_its_order_not_of_the_moment(
    facade: Running, shop: Shop, connection: PsycopgConnection, key: str
) -> None:
    order_ref = order(facade, key).json()["order_ref"]
    flip(connection)
    ask(facade, "POST", f"/orders/{order_ref}/cancellations", b"{}")
    ordered, cancelled = shop.posted
    assert cancelled.values("Strangler-Ownership") == ordered.values("Strangler-Ownership")


def test_an_order_waits_for_a_move_under_way_and_is_pinned_after_it(
    facade: Running, shop: Shop, connection: PsycopgConnection, dsn: str, key: str
) -> None:
    order(facade, f"{key}-before")  # the facade knows the stages
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn) as mover:
        mover.execute("SELECT")  # begins a transaction, so that the move is not committed by itself
        epoch = flip(mover)
        placed = pool.submit(order, facade, key)
        wait_until(lambda: connection.execute(waiting).fetchone() == (1,))
        mover.commit()
        assert placed.result(30).status == 201
    assert pinned(connection, key).epoch == epoch


def test_no_order_is_pinned_at_an_epoch_that_was_over(
    facade: Running, shop: Shop, connection: PsycopgConnection, dsn: str, key: str
) -> None:
    """Orders race with moves: when a move has committed, all pins of earlier epochs have, and later ones see it."""
    late: list[int] = []
    newest = "SELECT count(*) FROM strangler.ownership WHERE epoch < %s AND xmin::text::bigint > %s"
    with ThreadPoolExecutor(4) as pool, psycopg.connect(dsn, autocommit=True) as mover:
        orders = [pool.submit(order, facade, f"{key}-{turn}") for turn in range(80)]
        while not all(one.done() for one in orders):
            epoch = flip(mover)
            with mover.transaction():
                (moved_in,) = mover.execute("SELECT pg_current_xact_id()::text::bigint").fetchone() or (0,)
            (count,) = mover.execute(newest, (epoch, moved_in)).fetchone() or (0,)
            late.append(count)
    assert {one.result().status for one in orders} == {201}
    assert sum(late) == 0
    assert len(late) > 1
