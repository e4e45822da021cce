"""A chain beside other changes, calls and classes of its subject: its own change, its own keys, or a clear no."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from strangler.continuation.table import StepOutcome, store
from strangler.continuation.wakeups import Wakeups
from strangler.errors import BadInput
from strangler.ownership import HEADER, reference_header
from strangler.seam.mapped import Mixin
from strangler.sqlalchemy import Strangled
from tests.support.logs import lines_of
from tests.support.three_steps import Basket, Shop
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka
MAILS = "SELECT version, call, intents->0->'body'->>'key' FROM strangler.seam_record WHERE step = 'mail' ORDER BY 1, 2"
WAITING = "SELECT FROM strangler.continuation WHERE subject_ref = %s AND state = 'waiting'"
STUCK_CLIENT = """
CREATE FUNCTION public.no_giving_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
CREATE TRIGGER no_giving_up BEFORE UPDATE OF wait_until ON strangler.continuation
FOR EACH ROW EXECUTE FUNCTION public.no_giving_up()"""


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    """Its requests wait for nothing."""
    opened = Shop(database)
    yield opened
    opened.close()


def outcome(shop: Shop, ref: str, *steps: str) -> None:
    with psycopg.connect(shop.dsn) as connection:
        store(connection, [StepOutcome(ref, step, False, {"id": f"new {step}"}) for step in steps])


@contextmanager
def edited(shop: Shop, ref: str) -> Iterator[tuple[Session, Basket]]:
    with shop.sessions() as session, shop.strangled.unit():
        basket = session.query(Basket).filter_by(subject_ref=ref).one()
        shop.strangled.changed(basket, "BasketEdited", {"ref": ref})
        yield session, basket


def run(shop: Shop, basket: Basket) -> Any:
    return shop.strangled.run(basket, *shop.steps, answer=lambda one: one.status)


def test_calls_before_the_wait_and_after_it_have_keys_of_their_own(shop: Shop) -> None:
    shop._local.headers = {reference_header("basket"): "a", HEADER: "epoch=3, payment=new"}
    with shop.sessions() as session, shop.strangled.unit():
        basket = Basket(status="new", did="")
        session.add(basket)
        shop.strangled.created(basket, "BasketMade", {})
        shop.mail(basket)
        run(shop, basket)
    outcome(shop, "a", "payment")
    assert shop.go_on("a")
    assert shop.rows(MAILS) == [(1, 1, "a:mail:100"), (1, 2, "a:mail:101")]


def test_a_chain_goes_on_with_the_change_that_began_it(shop: Shop) -> None:
    shop.place("a", "fraud")
    with edited(shop, "a") as (session, _):
        session.commit()
    outcome(shop, "a", "fraud")
    assert shop.go_on("a")

    assert shop.keys("a") == ["a:payment:100", "a:stock:100"]
    assert shop.rows(MAILS) == [(1, 1, "a:mail:100")]
    told = "SELECT DISTINCT aggregate_version FROM outbox.outbox WHERE aggregatetype IN ('stock', 'payment')"
    assert shop.rows(told) == [(1,)]


def test_a_later_change_does_not_take_an_earlier_ones_outcome_for_its_own(shop: Shop) -> None:
    shop.place("a", "payment")
    with edited(shop, "a") as (_, basket), pytest.raises(BadInput, match="a still has a chain that waits"):
        run(shop, basket)
    outcome(shop, "a", "payment")
    assert shop.go_on("a")
    shop.calls.clear()
    with edited(shop, "a") as (_, basket), pytest.raises(BadInput, match="a has an outcome of payment from an earlier"):
        run(shop, basket)
    assert shop.calls == []


def test_a_later_change_runs_a_chain_that_has_waited_for_nothing(shop: Shop) -> None:
    shop.place("a")
    with edited(shop, "a") as (_, basket):
        assert run(shop, basket)[1] == 201
    assert shop.keys("a") == [f"a:{step}:{number}" for step in ("fraud", "payment", "stock") for number in (100, 200)]


@pytest.mark.parametrize("begin", [lambda session: session.begin(), lambda session: session.begin_nested()])
def test_run_in_a_transaction_that_another_line_ends_is_refused_before_anything_runs(
    shop: Shop, begin: Callable[[Session], Any]
) -> None:
    with shop.sessions() as session, begin(session):
        basket = Basket(status="new", did="")
        session.add(basket)
        shop.strangled.created(basket, "BasketMade", {})
        with pytest.raises(BadInput, match="run commits"):
            run(shop, basket)
    assert shop.calls == []


def test_a_request_that_cannot_give_up_is_still_answered(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    with psycopg.connect(shop.dsn) as connection:
        connection.execute(STUCK_CLIENT)
    assert shop.place("a", "payment") == (202, "new")
    assert "give_up_failed" in [one.message for one in lines_of(caplog, "strangler")]


def test_a_wake_up_that_met_the_lock_of_another_is_not_the_last_look(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, in_use, wait = Shop(database, wait_s=20.0), list[int](), Wakeups.wait

    def watched(wakeups: Wakeups, subject_ref: str, timeout_s: float) -> bool:
        in_use.append(shop.engine.pool.checkedout())  # type: ignore[attr-defined]  # it is a QueuePool
        return wait(wakeups, subject_ref, timeout_s)

    def until_looked(times: int) -> None:
        so_far = len(in_use)
        wait_until(lambda: len(in_use) >= so_far + times, lambda: f"{in_use} after {so_far}")

    monkeypatch.setattr(Wakeups, "wait", watched)
    try:
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(shop.place, "a", "payment")
            until_looked(2)
            with psycopg.connect(database) as another:
                another.execute("SELECT FROM basket WHERE subject_ref = 'a' FOR UPDATE")
                outcome(shop, "a", "payment")
                until_looked(2)
                assert not request.done()
            assert request.result() == (201, "made")
    finally:
        shop.close()
    assert set(in_use) == {0}  # connections, each time that it went to wait


class Model(DeclarativeBase):
    pass


class Paid(Mixin, Model):
    __tablename__ = "paid"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "paid"}  # noqa: RUF012 - SQLAlchemy's own
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]


class Card(Paid):
    __mapper_args__ = {"polymorphic_identity": "card"}  # noqa: RUF012


class Bank(Paid):
    __mapper_args__ = {"polymorphic_identity": "bank"}  # noqa: RUF012


def test_a_request_for_another_class_does_not_disturb_one_that_waits(database: str) -> None:
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://", 1))
    Model.metadata.create_all(engine)
    sessions, local = sessionmaker(engine), threading.local()
    strangled = Strangled("paid", wait_s=8.0, headers=lambda: local.headers)

    @strangled.awaited("pay", tells=("Yes", "No"), observe=lambda _paid, _outcome: [])
    def pay(_paid: Paid, key: str) -> dict[str, str]:
        return {"key": key}

    strangled.after("pay")(lambda _paid, _outcome: None)
    strangled.refused("pay")(lambda _paid, _outcome: None)

    def place(kind: type[Paid], ref: str, owners: str) -> int:
        local.headers = {reference_header("paid"): ref, HEADER: owners}
        with sessions() as session, strangled.unit():
            paid = kind()
            session.add(paid)
            strangled.created(paid, "Made", {})
            return int(strangled.run(paid, pay, answer=lambda one: one.id)[1])

    try:
        with ThreadPoolExecutor(1) as pool, psycopg.connect(database, autocommit=True) as resumer:
            request = pool.submit(place, Card, "a", "epoch=4, pay=new")
            wait_until(lambda: resumer.execute(WAITING, ("a",)).fetchall() != [])
            assert place(Bank, "b", "epoch=4") == 201
            store(resumer, [StepOutcome("a", "pay", False, {})])
            assert request.result() == 201
    finally:
        strangled.close()
        engine.dispose()
