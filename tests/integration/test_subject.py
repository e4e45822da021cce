"""A subject is read from the table and columns that its team names."""

from __future__ import annotations

import psycopg
import pytest

from strangler.errors import BadPlan
from strangler.facts import SubjectFacts
from strangler.ownership import ALL_LEGACY, Owner, Ownership
from strangler.plan import Plan, Route, Step, Subject

BOOKINGS = """
CREATE TABLE "Desk".bookings (
    "Ref" text UNIQUE, version integer NOT NULL DEFAULT 0, owners text, status text NOT NULL DEFAULT 'made');
INSERT INTO "Desk".bookings VALUES
    ('b', 2, 'epoch=3, mail=new', 'made'), ('a', 0, NULL, 'waiting'), ('c', 1, '', 'no money'),
    (NULL, 0, NULL, 'made');"""


def test_every_row_with_a_reference_is_a_subject_with_its_version_and_owners(database: str) -> None:
    subject = Subject(
        "booking",
        table="Desk.bookings",
        ref="Ref",
        owners="owners",
        refused="CASE status WHEN 'no money' THEN 'payment' END",
        undecided="status = 'waiting'",
    )
    with psycopg.connect(database) as connection:
        connection.execute('CREATE SCHEMA "Desk"')
        connection.execute(BOOKINGS)
        assert list(subject.facts(connection)) == [
            SubjectFacts("a", 0, ALL_LEGACY, "a", undecided=True),
            SubjectFacts("b", 2, Ownership(3, {"mail": Owner.NEW}), "b"),
            SubjectFacts("c", 1, ALL_LEGACY, "c", "payment"),
        ]


def test_a_name_makes_the_default_paths() -> None:
    subject = Subject("gift-card", table="cards", caller="anonymous")
    assert (subject.path, subject.hand_back_path, subject.status_path) == (
        "/internal/strangler/subjects/{ref}",
        "/internal/strangler/steps/{step}/subjects/{ref}",
        "/strangler/status/{ref}",
    )
    own = Subject("gift-card", table="cards", path="/gift-cards/{ref}", caller="anonymous")
    assert (own.status_path, own.internal_look_up) == ("/gift-cards/{ref}", False)
    assert Plan("p", subject, (Step("mail"),), (Route("POST /cards", creates="gift-card"),))


@pytest.mark.parametrize(
    ("subject", "creates", "said"),
    [
        (Subject("Booking", table="b"), "Booking", "use lower case letters, digits and -"),
        (Subject("booking"), "booking", "neither a table nor a reader; give one"),
        (Subject("booking", table="b", read=lambda _: ()), "booking", "both a table and a reader; give one"),
        (Subject("booking", table="b"), "order", "creates 'order', and the plan's subject is 'booking'; use one name"),
        (Subject("booking", table="b"), "", "no route has creates='booking'; without it no booking gets an owner"),
    ],
)
def test_a_subject_that_contradicts_the_plan_is_refused(subject: Subject, creates: str, said: str) -> None:
    with pytest.raises(BadPlan) as refused:
        Plan("p", subject, (Step("mail"),), (Route("POST /things/{ref}", creates=creates, caller="anonymous"),))
    assert said in str(refused.value)
