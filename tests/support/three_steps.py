"""An application of three steps that its chain waits for, in this process or in one of its own.

`python -m tests.support.three_steps DSN place REF OWNERS WAIT_S` places a basket, and prints how that ended;
`... DSN resume` goes on with baskets that nobody waits for, until it is killed.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from strangler import Call
from strangler.continuation.runner import Runner
from strangler.ownership import HEADER, Owner, Ownership, reference_header
from strangler.seam.mapped import Mixin
from strangler.sqlalchemy import Strangled
from strangler.step.intents import Json

STEPS = ("fraud", "stock", "payment")
TABLES = """
CREATE TABLE IF NOT EXISTS public.basket (
    id bigserial PRIMARY KEY, subject_ref text UNIQUE, version bigint NOT NULL DEFAULT 0,
    ownership text NOT NULL DEFAULT '', status text NOT NULL, did text NOT NULL);
CREATE TABLE IF NOT EXISTS public.asked (key text PRIMARY KEY, requests bigint NOT NULL DEFAULT 1)"""
ASK = "INSERT INTO asked VALUES (%s) ON CONFLICT (key) DO UPDATE SET requests = asked.requests + 1"
TOLD = """
SELECT type, convert_from(payload, 'UTF8') FROM outbox.outbox
WHERE aggregateid = %s AND aggregatetype <> 'basket' ORDER BY id"""


class Model(DeclarativeBase):
    pass


class Basket(Mixin, Model):
    __tablename__ = "basket"
    id: Mapped[int] = mapped_column(primary_key=True)
    status: Mapped[str]
    did: Mapped[str]


class SoldOut(Exception):
    """The stock's own no."""


@dataclass
class Shop:
    """`calls`: what its legacy steps did in this process, also in what was rolled back. Vendors know their keys."""

    dsn: str
    driver: str = "psycopg2"
    wait_s: float = 0.0
    calls: list[str] = field(default_factory=list)
    sold_out: bool = False
    mail_fails: bool = False
    order: tuple[str, ...] = STEPS

    def __post_init__(self) -> None:
        with psycopg.connect(self.dsn) as connection:
            connection.execute(TABLES)
        self.engine = create_engine(self.dsn.replace("postgresql://", f"postgresql+{self.driver}://", 1))
        self.sessions = sessionmaker(self.engine)
        self._local = threading.local()
        self.strangled = Strangled("basket", wait_s=self.wait_s, headers=lambda: getattr(self._local, "headers", {}))
        self.strangled.resumes(self.sessions, Basket)
        self.steps = [self._declare(step) for step in self.order]
        self.mail = self._tail("mail")
        self.text = self._tail("text")  # declared, and never called

    def place(self, ref: str, *new: str) -> tuple[int, str]:
        """The answer's status, and what became of the basket by then. `SoldOut` is the application's own refusal."""
        owners = ", ".join(["epoch=3", *(f"{step}=new" for step in new)])
        self._local.headers = {reference_header("basket"): ref, HEADER: owners}
        with self.sessions() as session, self.strangled.unit():
            basket = Basket(status="new", did="")
            session.add(basket)
            self.strangled.created(basket, "BasketMade", {"ref": ref})
            body, status, _ = self.strangled.run(basket, *self.steps, answer=lambda one: one.status)
            return status, body

    def go_on(self, ref: str) -> bool:
        self._local.headers = {}
        return self.strangled.go_on(ref)

    def hand_back(self, ref: str, step: str) -> bool:
        """As the toolkit's own route does; True where the chain has still to run it."""
        with self.sessions() as session:
            basket: Any = session.query(Basket).filter_by(subject_ref=ref).with_for_update().one()
            owners = Ownership.from_header(basket.ownership)
            basket.ownership = Ownership(owners.epoch, {**owners.owners, step: Owner.LEGACY}).to_header()
            taken = self.strangled.take_back(basket, step)
            session.commit()
            return taken

    def creation_status(self, ref: str) -> int:
        """What placing it would be answered now."""
        with self.sessions() as session:
            return self.strangled._creation_status(session, session.query(Basket).filter_by(subject_ref=ref).one())

    def seen(self, ref: str) -> tuple[str, str]:
        """What became of it: its status, and what came after which step."""
        return self.rows("SELECT status, did FROM basket WHERE subject_ref = %s", ref)[0]

    def told(self, ref: str) -> list[tuple[str, Json]]:
        """Outcomes that legacy told."""
        return [(type_, json.loads(payload)) for type_, payload in self.rows(TOLD, ref)]

    def keys(self, ref: str) -> list[str]:
        """What vendors were asked for it, by legacy."""
        return [key for (key,) in self.rows("SELECT key FROM asked WHERE key LIKE %s ORDER BY key", f"{ref}:%")]

    def records(self, ref: str) -> list[tuple[str, int, str]]:
        """What its seams wrote down: step, call and state."""
        sql = "SELECT step, call, state FROM strangler.seam_record WHERE subject_ref = %s ORDER BY step, call"
        return [(step, call, state) for step, call, state in self.rows(sql, ref)]

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        self.strangled.close()
        self.engine.dispose()

    def _tail(self, step: str) -> Callable[..., Any]:
        def send(basket: Basket, key: str) -> Mapping[str, Json]:
            self.calls.append(step)
            if self.mail_fails:
                raise OSError("no mail today")
            return {"to": basket.status, "key": key}

        declare = self.strangled.step(step, on=("BasketMade",), observe=lambda _, sent: [Call("mail", "send", sent)])
        return declare(send)

    def _declare(self, step: str) -> Callable[..., Any]:
        def act(basket: Basket, key: str) -> Mapping[str, Json]:
            self.calls.append(step)
            if step == "stock" and self.sold_out:
                raise SoldOut("sold out")
            with psycopg.connect(self.dsn) as vendor:
                vendor.execute(ASK, (key,))
            return {"id": f"legacy {step}"}

        def settle(basket: Basket, outcome: Mapping[str, Json]) -> None:
            basket.did = f"{basket.did} {step}={outcome['id']},"
            if step == STEPS[-1]:
                basket.status = "made"
                self.mail(basket)

        def decline(basket: Basket, outcome: Mapping[str, Json]) -> Exception:
            basket.status = f"refused by {step}"
            return SoldOut(outcome["reason"])

        self.strangled.after(step)(settle)
        self.strangled.refused(step, status=410 if step == "stock" else 409)(decline)
        declare = self.strangled.awaited(
            step,
            tells=(f"{step}-done", f"{step}-no"),
            refusals=(SoldOut,),
            observe=lambda _, done: [Call("v", step, done)],
        )
        return declare(act)


def resume(dsn: str) -> None:
    shop = Shop(dsn)
    runner = Runner(connect=lambda: psycopg.connect(dsn, autocommit=True), rest=shop.go_on)
    print("ready resume", flush=True)
    runner.run()


if __name__ == "__main__":
    match sys.argv[1:]:
        case [dsn, "place", ref, owners, wait_s]:
            print(*Shop(dsn, wait_s=float(wait_s)).place(ref, *filter(None, owners.split(","))), flush=True)
        case [dsn, "resume"]:
            resume(dsn)
        case _:
            sys.exit(__doc__)
