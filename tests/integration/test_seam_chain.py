"""A chain of three steps with any mix of owners: each step once, the rest once, whoever goes on with it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from outbox import Event, append
from outbox.connection import PsycopgConnection
from strangler.continuation.table import StepOutcome, store
from strangler.errors import BadInput
from strangler.ownership import Ownership
from strangler.seam.chain import Chain
from strangler.seam.middle import Awaited, reason_of
from strangler.seam.walk import Ended
from strangler.step.intents import Json
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka
STEPS = ("fraud", "stock", "payment")
MIXES = [mix for count in range(4) for mix in itertools.combinations(STEPS, count)]


class Model(DeclarativeBase):
    pass


class Basket(Model):
    __tablename__ = "basket"
    subject_ref: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    ownership: Mapped[str]
    status: Mapped[str]
    did: Mapped[str]


class SoldOut(Exception):
    """The stock's own no."""


@dataclass
class Shop:
    """An application of three steps. `calls`: what its legacy steps did, also in what was rolled back."""

    sessions: sessionmaker[Session]
    dsn: str
    calls: list[str] = field(default_factory=list)
    states: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    sold_out: bool = False
    mail_fails: bool = False

    def __post_init__(self) -> None:
        self.chain = Chain(self, lambda: psycopg.connect(self.dsn))
        for step in STEPS:
            self.chain.middle.add(Awaited(step, (f"{step}-done", f"{step}-no"), (SoldOut,), self.acts(step), reason_of))
            self.chain.middle.add_after(step, self.goes_on_after(step))
            self.chain.middle.add_refused(step, self.refuses(step))

    def acts(self, step: str) -> Callable[[Any], Mapping[str, Json]]:
        def act(basket: Any) -> Mapping[str, Json]:
            self.calls.append(step)
            if step == "stock" and self.sold_out:
                raise SoldOut("sold out")
            return {"id": f"legacy {step}"}

        return act

    def goes_on_after(self, step: str) -> Callable[[Any, Mapping[str, Json]], None]:
        def go_on(basket: Any, outcome: Mapping[str, Json]) -> None:
            basket.did = f"{basket.did} {step}={outcome['id']},"
            if step == STEPS[-1]:
                basket.status = "made"
                self.calls.append("mail")
                if self.mail_fails:
                    raise OSError("no mail today")

        return go_on

    def refuses(self, step: str) -> Callable[[Any, Mapping[str, Json]], Exception]:
        def refuse(basket: Any, outcome: Mapping[str, Json]) -> Exception:
            basket.status = f"refused by {step}"
            return SoldOut(outcome["reason"])

        return refuse

    def place(self, ref: str, new: Sequence[str], wait_s: float) -> Ended:
        with self.sessions() as session:
            header = ", ".join(["epoch=3", *(f"{step}=new" for step in new)])
            basket = Basket(subject_ref=ref, version=1, ownership=header, status="new", did="")
            session.add(basket)
            self.states[ref] = {"ref": ref}
            steps = [step.run for step in self.chain.middle.steps.values()]
            ended = self.chain.run(session, basket, steps, wait_s=wait_s)
            session.refresh(basket)
            return ended

    def go_on(self, ref: str) -> Ended | None:
        with self.sessions() as session:
            return self.chain.go_on(session, ref)

    def seen(self, ref: str) -> tuple[str, str]:
        with self.sessions() as session:
            basket = session.get_one(Basket, ref)
            return basket.status, basket.did

    def told(self, ref: str) -> list[tuple[str, Json]]:
        sql = "SELECT type, convert_from(payload, 'UTF8') FROM outbox.outbox WHERE aggregateid = %s ORDER BY id"
        with psycopg.connect(self.dsn) as connection:
            return [(type_, json.loads(payload)) for type_, payload in connection.execute(sql, (ref,))]

    # What the chain asks of its application.

    def reference_of(self, subject: Any) -> str:
        return str(subject.subject_ref)

    def ownership_of(self, subject: Any) -> Ownership:
        return Ownership.from_header(subject.ownership)

    def locked(self, session: Session, subject_ref: str) -> Any:
        return session.get(Basket, subject_ref, populate_existing=True, with_for_update={"skip_locked": True})

    def tell(self, session: Session, subject: Any, step: str, type_: str, payload: Mapping[str, Json]) -> None:
        append(session, Event(step, subject.subject_ref, 1, type_, json.dumps(payload).encode()))

    def carried(self, subject: Any) -> Mapping[str, Json] | None:
        return self.states.pop(subject.subject_ref, None)

    def waits(self, subject: Any) -> None: ...

    def goes_on(self, session: Session, subject: Any) -> None: ...


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg2://", 1), poolclass=NullPool)
    Model.metadata.create_all(engine)
    opened = Shop(sessionmaker(engine), database)
    yield opened
    opened.chain.close()


@pytest.fixture
def resumer(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def done(ref: str, *steps: str) -> list[StepOutcome]:
    return [StepOutcome(ref, step, False, {"id": f"new {step}"}) for step in steps]


def until_waits(resumer: PsycopgConnection, ref: str) -> str:
    """What the subject waits for."""
    sql = "SELECT waits_for FROM strangler.continuation WHERE subject_ref = %s AND state = 'waiting'"
    wait_until(lambda: resumer.execute(sql, (ref,)).fetchone() is not None)
    ((waits_for,),) = resumer.execute(sql, (ref,))
    return str(waits_for)


def did(new: Sequence[str]) -> str:
    return "".join(f" {step}={'new' if step in new else 'legacy'} {step}," for step in STEPS)


@pytest.mark.parametrize("new", MIXES, ids=lambda mix: "+".join(mix) or "none")
def test_in_time_or_late_each_step_runs_once_on_its_side(
    shop: Shop, resumer: PsycopgConnection, new: Sequence[str]
) -> None:
    for ref, wait_s in (("in time", 20.0), ("late", 0.0)):
        shop.calls.clear()
        with ThreadPoolExecutor(1) as pool:
            request = pool.submit(shop.place, ref, new, wait_s)
            left = [step for step in STEPS if step in new]
            while left:
                waits_for = until_waits(resumer, ref)
                given = left[: left.index(waits_for) + 1]
                left = left[len(given) :]
                request.result() if not wait_s else None
                store(resumer, done(ref, *given))
                shop.go_on(ref) if not wait_s else None
            ended = request.result()

        assert ended.waits is (bool(new) and not wait_s)
        assert shop.seen(ref) == ("made", did(new))
        assert shop.calls == [*(step for step in STEPS if step not in new), "mail"]
        legacy = [step for step in STEPS if step not in new]
        assert shop.told(ref) == [
            (f"{step}-done", {"ref": ref, "outcome": {"by": "legacy", "id": f"legacy {step}"}}) for step in legacy
        ]
        assert shop.go_on(ref) is None


def test_outcomes_that_come_in_another_order_are_waited_for_one_by_one(shop: Shop, resumer: PsycopgConnection) -> None:
    shop.place("a", STEPS, 0.0)
    assert until_waits(resumer, "a") == "payment"
    store(resumer, done("a", "payment"))
    ended = shop.go_on("a")
    assert ended is not None
    assert ended.waits
    assert until_waits(resumer, "a") == "stock"
    store(resumer, done("a", "fraud", "stock"))

    shop.go_on("a")
    assert shop.seen("a") == ("made", did(STEPS))


def test_a_refusal_of_the_new_side_is_the_applications_own(shop: Shop, resumer: PsycopgConnection) -> None:
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(shop.place, "a", STEPS, 20.0)
        until_waits(resumer, "a")
        store(resumer, [*done("a", "fraud"), StepOutcome("a", "stock", True, {"reason": "none left"})])
        ended = request.result()

    assert (ended.refused_by, str(ended.refusal)) == ("stock", "none left")
    assert shop.seen("a") == ("refused by stock", "")
    assert shop.calls == []


def test_a_legacy_step_that_refuses_in_the_rest_ends_it_by_the_same_function(
    shop: Shop, resumer: PsycopgConnection
) -> None:
    shop.sold_out = True
    with pytest.raises(SoldOut):
        shop.place("at once", [], 0.0)
    shop.place("a", ["fraud"], 0.0)
    store(resumer, done("a", "fraud"))

    ended = shop.go_on("a")
    assert ended is not None
    assert (ended.refused_by, str(ended.refusal)) == ("stock", "sold out")
    assert shop.seen("a") == ("refused by stock", "")
    assert shop.told("a") == [("stock-no", {"ref": "a", "outcome": {"by": "legacy", "reason": "sold out"}})]
    assert shop.told("at once") == []
    assert shop.go_on("a") is None


def test_of_many_who_go_on_at_once_one_does(shop: Shop, resumer: PsycopgConnection) -> None:
    for number in range(10):
        ref = f"a{number}"
        shop.place(ref, ["payment"], 0.0)
        shop.calls.clear()
        store(resumer, done(ref, "payment"))
        with ThreadPoolExecutor(4) as pool:
            ended = [one for one in pool.map(shop.go_on, [ref] * 4) if one is not None]
        assert (len(ended), shop.calls) == (1, ["mail"])


def test_what_fails_after_the_wait_is_left_to_the_next_who_tries(shop: Shop, resumer: PsycopgConnection) -> None:
    shop.mail_fails = True
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(shop.place, "a", ["payment"], 20.0)
        until_waits(resumer, "a")
        store(resumer, done("a", "payment"))
        assert request.result().waits
    with pytest.raises(OSError, match="no mail today"):
        shop.go_on("a")

    shop.mail_fails = False
    shop.go_on("a")
    assert shop.seen("a") == ("made", did(["payment"]))


def test_a_step_that_could_not_be_gone_on_with_is_refused(shop: Shop) -> None:
    del shop.chain.middle.after["payment"], shop.chain.middle.refused["stock"]
    shop.chain.middle.add_after("paymnet", lambda _basket, _outcome: None)

    with pytest.raises(BadInput) as refused:
        shop.place("a", [], 0.0)
    said = str(refused.value)
    assert "awaited('payment') has no after" in said
    assert "`@strangled.refused('stock')`" in said
    assert "after('paymnet') belongs to no step" in said
