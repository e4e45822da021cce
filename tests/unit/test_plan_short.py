"""A plan as short as can be: steps by their services, by reference or bare, processes by their module."""

from __future__ import annotations

from typing import Any

from strangler import Call, Plan, Policy, Process, Route, Service, Step, Subject
from strangler.local.sharing import topics_of

MAIL = Service(
    "mail",
    on=("BookingMade",),
    decide=lambda _event: [Call("mail", "send", {})],
    policy=Policy.lossless(deadline_s=3600, guard="the mail service's key"),
)


def plan(steps: list[Any]) -> Plan:
    subject = Subject("booking", table="public.bookings", caller="anonymous")
    routes = (Route("POST /checkout", creates="booking"),)
    return Plan(name="desk", subject=subject, steps=steps, routes=routes)  # type: ignore[arg-type]  # also a list


def test_a_step_is_a_service_its_reference_or_the_name_of_what_stays_legacy() -> None:
    made = plan(["price", MAIL, "mailer:letter", Step("print")])

    assert [step.name for step in made.steps] == ["price", "mail", "letter", "print"]
    assert [step.service for step in made.steps] == [None, MAIL, "mailer:letter", None]


def test_a_service_that_is_given_is_judged_at_once() -> None:
    made = plan([MAIL])

    assert list(made.contexts()) == ["mail"]
    assert made.contexts()["mail"].topics == ("booking",)


def test_the_topics_that_its_services_read_are_made_without_being_named() -> None:
    chosen = {"OUTBOX_TOPIC_PREFIX": "mine."}

    assert topics_of(plan([MAIL]), chosen) == {"mine.booking": 4}
    assert topics_of(plan([MAIL]), {**chosen, "OUTBOX_TOPIC_PARTITIONS": "12"}) == {"mine.booking": 12}


def test_a_process_with_an_address_has_a_port() -> None:
    served, batch = Process("legacy", "desk", url="LEGACY_URL"), Process("nightly", ("desk", "nightly"))

    assert (served.command, served.url, served.port) == (("desk",), "LEGACY_URL", "PORT")
    assert (batch.command, batch.url) == (("desk", "nightly"), None)
