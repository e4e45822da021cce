"""An application in miniature, strangled: bookings, and a mail for each, on either driver and any SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Integer, Text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, declarative_base

from strangler import Call
from strangler.sqlalchemy import Strangled

REF, OWNERS = "Strangler-Booking-Ref", "Strangler-Ownership"
SHADOW = "epoch=4, mail=shadow"
NEW = "epoch=4, mail=new"
CREATE = "CREATE TABLE booking (id serial PRIMARY KEY, email text, status text, subject_ref text UNIQUE,"
TABLE = f"{CREATE} version bigint NOT NULL DEFAULT 0, ownership text NOT NULL DEFAULT '')"


@dataclass
class Desk:
    """`headers`: of the request at hand; `during` runs inside of a mail's call; `keys` are those that it was given."""

    engine: Engine
    headers: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    during: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.strangled = Strangled("booking", headers=lambda: self.headers)
        base: Any = declarative_base()

        class Booking(self.strangled.Mixin, base):  # type: ignore[name-defined, misc]
            __tablename__ = "booking"
            id = Column(Integer, primary_key=True)
            email = Column(Text)
            status = Column(Text)

        def observe(_booking: Booking, message: Mapping[str, Any], *_: Any) -> list[Call]:
            return [Call("mail", "send", message)]

        @self.strangled.step("mail", on=("BookingMade", "BookingMoved"), observe=observe)
        def mail(booking: Booking, text: str = "hello", *, key: str) -> Mapping[str, Any]:
            self.keys.append(key)
            self.during()
            return {"to": booking.email, "text": text}

        self.Booking: Any = Booking
        self.mail: Any = mail

    @contextmanager
    def request(self, ref: str | None = None, owners: str = SHADOW) -> Iterator[Session]:
        """A unit of work with what the facade sends along; its session ends as requests' do."""
        self.headers = {} if ref is None else {REF: ref, OWNERS: owners}
        with Session(self.engine) as session, self.strangled.unit():
            yield session

    def book(self, session: Session, *, commits: bool = True) -> Any:
        booking = self.Booking(email="ann@example.invalid", status="made")
        session.add(booking)
        self.strangled.created(booking, "BookingMade", lambda: {"id": booking.id, "status": booking.status})
        if commits:
            session.commit()
        return booking

    def move(self, session: Session, booking: Any) -> None:
        booking.status = "moved"
        self.strangled.changed(booking, "BookingMoved", lambda: {"id": booking.id, "status": booking.status})
        session.commit()
