"""What `Strangled` writes of a monolith that commits first, judged while it is at work and when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from strangler import Call
from strangler.ownership import HEADER, Owner, Ownership, reference_header
from strangler.sqlalchemy import Strangled
from tests.integration.contexts import rows
from tests.integration.desks import MAILING, Desks, blind, desks, mail_of, mailing
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka


class Base(DeclarativeBase):
    pass


class Booking(Base):
    __tablename__ = "bookings"
    __table_args__ = ({"schema": "desks"},)

    subject_ref: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(default=0)
    ownership: Mapped[str | None]
    email: Mapped[str]


class Monolith:
    """Books, commits, then mails: one process, one request after the other. `vendor(ref, key)` is its mail."""

    def __init__(self, town: Desks) -> None:
        self.town, self.headers = town, dict[str, str]()
        self.strangled = Strangled("booking", headers=lambda: self.headers)
        self.strangled.map(Booking)
        self.engine = create_engine(town.dsn.replace("postgresql://", "postgresql+psycopg://"))
        self.vendor: Callable[[str, str], None] = self.accept
        send = self.strangled.step(
            MAILING, on=("Booked",), observe=lambda booking, _: [Call("mail", "send", mail_of(booking.subject_ref))]
        )
        self.send: Any = send(lambda booking, key: self.vendor(booking.subject_ref, key))

    def accept(self, ref: str, key: str) -> None:
        self.town.vendor.entries.append((key, mail_of(ref)))

    @contextmanager
    def booked(self, ref: str, owner: Owner) -> Iterator[Booking]:
        """A request in which the booking is committed."""
        self.headers = {reference_header("booking"): ref, HEADER: Ownership(2, {MAILING: owner}).to_header()}
        with self.strangled.unit(), Session(self.engine) as session:
            booking = Booking(subject_ref=ref, email=ref)
            session.add(booking)
            self.strangled.created(booking, "Booked", {"email": ref})
            session.commit()
            yield booking

    def lose_its_lock(self) -> None:
        """For the judge the process is gone."""
        held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 21332"
        with psycopg.connect(self.town.dsn) as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({held}) AS held")
        wait_until(lambda: rows(self.town.dsn, held) == [])

    def end(self) -> None:
        self.strangled.close()
        self.engine.dispose()


@pytest.fixture
def town(database: str) -> Iterator[Desks]:
    with desks(database) as town:
        yield town


@pytest.fixture
def monolith(town: Desks) -> Iterator[Monolith]:
    monolith = Monolith(town)
    try:
        yield monolith
    finally:
        monolith.end()


@pytest.mark.parametrize("owner", [Owner.LEGACY, Owner.SHADOW])
def test_a_request_at_work_is_late_and_then_a_match(town: Desks, monolith: Monolith, owner: Owner) -> None:
    seen = []

    def vendor(ref: str, key: str) -> None:
        seen.append(town.judge(mailing)[MAILING])
        monolith.accept(ref, key)

    monolith.vendor = vendor
    with monolith.booked("a", owner) as booking:
        seen.append(town.judge(mailing)[MAILING])
        monolith.send(booking)
    if owner is Owner.SHADOW:
        town.act("a", owner=owner)

    assert seen == [{("a", 100): "late"}, {("a", 100): "late"}]
    assert town.judge(mailing)[MAILING] == {("a", 100): "match"}


def test_two_mails_of_one_change_are_two_and_a_change_without_mail_is_none(town: Desks, monolith: Monolith) -> None:
    with monolith.booked("twice", Owner.LEGACY) as booking:
        monolith.send(booking)
        monolith.send(booking)
    with monolith.booked("quiet", Owner.LEGACY):
        pass

    assert [key for key, _ in town.vendor.entries] == ["twice:mailing:100", "twice:mailing:101"]
    assert town.judge(mailing)[MAILING] == {("twice", 100): "match", ("twice", 101): "match"}
    assert town.judge(blind(mailing))[MAILING] == {("twice", 100): "acted", ("twice", 101): "acted"}


def test_a_vendor_that_fails_is_legacys_failure_and_nobody_elses(town: Desks, monolith: Monolith) -> None:
    def vendor(ref: str, key: str) -> None:
        raise TimeoutError(ref, key)

    monolith.vendor = vendor
    with pytest.raises(TimeoutError), monolith.booked("a", Owner.LEGACY) as booking:
        monolith.send(booking)

    assert town.judge(mailing)[MAILING] == {("a", 100): "failed"}


def test_what_a_process_has_left_behind_is_missing_once_it_has_ended(town: Desks, monolith: Monolith) -> None:
    """As if it were killed in the request: no end of its unit is written."""
    with monolith.booked("a", Owner.LEGACY):
        assert town.judge(mailing)[MAILING] == {("a", 100): "late"}
        monolith.lose_its_lock()

        assert town.judge(mailing)[MAILING] == {("a", 100): "missing"}


def test_what_it_was_doing_is_the_vendors_to_say_once_it_has_ended(town: Desks, monolith: Monolith) -> None:
    """As if it were killed between the call and its record."""
    seen: list[Mapping[tuple[str, int], str]] = []

    def vendor(ref: str, key: str) -> None:
        monolith.lose_its_lock()
        seen.extend(town.judge(service)[MAILING] for service in (mailing, blind(mailing)))
        monolith.accept(ref, key)
        seen.append(town.judge(mailing)[MAILING])

    monolith.vendor = vendor
    with monolith.booked("a", Owner.LEGACY) as booking:
        monolith.send(booking)

    assert seen == [{("a", 100): "missing"}, {("a", 100): "unknown"}, {("a", 100): "match"}]
