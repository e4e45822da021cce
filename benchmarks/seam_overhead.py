"""What do an event and a seam's record cost the request that they enter, beside how the toolkit wrote them before?

A record is all that a seam does around its step: whose it is, its key, what was seen of it, as JSON, and the statement.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.peers import seam_by_statements as peer
from benchmarks.question import Answer
from outbox import Event, append
from strangler import Call
from strangler.local import Stack
from strangler.sqlalchemy import Strangled
from tests.support.round_trips import counting_round_trips

ROUNDS, WARM_UP = 1_500, 100
PAYLOAD = b'{"filler": "' + b"x" * 186 + b'"}'
MAIL = {"to": "ann@example.invalid", "subject": "Your desk", "text": "x" * 100}
HEADERS = {"Strangler-Ownership": "epoch=1, mail=shadow"}
TABLE = """
CREATE TABLE booking (id serial PRIMARY KEY, subject_ref text UNIQUE, version bigint NOT NULL DEFAULT 0,
                      ownership text NOT NULL DEFAULT '')"""

strangled = Strangled("booking", headers=lambda: HEADERS)


class Table(DeclarativeBase):
    """As an application has it."""


class Booking(strangled.Mixin, Table):  # type: ignore[name-defined, misc]  # mypy takes no base from an object
    __tablename__ = "booking"
    id: Mapped[int] = mapped_column(primary_key=True)


@strangled.step("mail", on=("BookingMade",), observe=lambda _booking, message: mails(message))
def send(_booking: Booking, key: str = "") -> dict[str, str]:  # noqa: ARG001 - it sends nothing: what is left is the seam
    return MAIL


@peer.seam("mail", observe=lambda _subject, message: mails(message))
def send_as_before(_session: Session, _subject: peer.Subject) -> dict[str, str]:
    return MAIL


def measure(stack: Stack) -> Answer:
    """Each in turn within one transaction, on loopback, so that only the medians of one run are compared."""
    dsn = stack.database(f"bench_{secrets.token_hex(3)}", ("outbox", "strangler"))
    with psycopg.connect(dsn) as connection:
        connection.execute(peer.TABLES)
        connection.execute(TABLE)
    with opened(dsn) as session:
        timed = timings(session)
    settings = {
        "rounds": ROUNDS,
        "append_ms": {"ours": timed["append"], "statements": timed["peer_append"]},
        "append_ratio": round(timed["append"] / timed["peer_append"], 3),
        "record_ms": {"ours": timed["record"], "statements": timed["peer_record"]},
        "record_ratio": round(timed["record"] / timed["peer_record"], 3),
        "bare_insert_ms": timed["bare"],
        "round_trips": round_trips(dsn),
    }
    ours, theirs = timed["append"] + timed["record"], timed["peer_append"] + timed["peer_record"]
    return Answer("seam_overhead", "ms for an event and a record", ours, {"statements": theirs}, settings)


@contextmanager
def opened(dsn: str) -> Iterator[Session]:
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
    with Session(engine, expire_on_commit=False) as session:
        yield session
    strangled.close()
    engine.dispose()


def made(session: Session) -> Booking:
    """A booking whose change stands in the session's open transaction."""
    booking = Booking()
    session.add(booking)
    strangled.created(booking, "BookingMade", MAIL)
    return booking


def acts(session: Session, booking: Booking) -> dict[str, Callable[[str], object]]:
    """What is compared, by name; each takes a reference of its own."""
    return {
        "append": lambda ref: append(session, event(ref)),
        "peer_append": lambda ref: peer.append(session, event(ref)),
        "record": lambda _ref: send(booking),
        "peer_record": lambda ref: send_as_before(session, subject(ref)),
        "bare": lambda ref: peer.insert(session, subject(ref), "mail", mails(MAIL)),
    }


def subject(ref: str) -> peer.Subject:
    return peer.Subject(ref, 1, HEADERS["Strangler-Ownership"])


def mails(message: dict[str, str]) -> list[Call]:
    return [Call("mail", "send", message)]


def event(ref: str) -> Event:
    return Event("booking", ref, 1, "BookingMade", PAYLOAD)


def timings(session: Session) -> dict[str, float]:
    """Medians in milliseconds."""
    taken: dict[str, list[float]] = {}
    for number in range(ROUNDS + WARM_UP):
        with strangled.unit():
            todo = acts(session, made(session))
            for name, act in todo.items():
                began = time.perf_counter()
                act(f"{name}-{number}")
                if number >= WARM_UP:
                    taken.setdefault(name, []).append(time.perf_counter() - began)
            if number % 50 == 0:
                session.commit()
    return {name: round(statistics.median(values) * 1_000, 4) for name, values in taken.items()}


def round_trips(dsn: str) -> dict[str, int]:
    """Of one of each, in a transaction that is open already; then of a seam behind the commit."""
    found: dict[str, int] = {}
    with counting_round_trips(dsn) as (trips, through), opened(through) as session, strangled.unit():
        first = made(session)
        for name, act in acts(session, first).items():
            before = trips.count
            act(f"{name}-trips")
            found[name] = trips.count - before
        session.commit()
        send(first)  # a process opens the connection that it records by
        before = trips.count
        send(first)
        found["record_behind_commit"] = trips.count - before
    return found
