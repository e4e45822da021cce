"""A service is said once: what contradicts itself is refused with the fix, the rest follows from the declaration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

import strangler
import strangler.service
from outbox import Disposition, Policy, PsycopgConnection
from outbox.consumer import RuntimeSettings
from outbox.event import ReceivedEvent
from outbox.policy import Expired
from strangler import HttpVendor, Rows, Service
from strangler.contexts import Context, context_of, declared
from strangler.errors import BadInput, BadPlan
from strangler.service.review import Review
from strangler.service.serving import consuming_of
from strangler.service.settings import RunSettings
from strangler.step.conclude import tell
from tests.unit.policies import STANDARD

COMPENSATING = replace(STANDARD, expired=Expired.COMPENSATE, compensation="MailTakenBack")
VENDOR = HttpVendor("MAIL_URL", send="POST /messages", look_up="GET /messages/{key}")


def project(_connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
    return [Disposition.APPLIED] * len(events)


def service(**said: Any) -> Service:
    return Service(**{"name": "mail", "on": ("Placed",), "decide": lambda _: [], "policy": STANDARD, **said})


def test_late_events_of_a_policy_that_compensates_reach_the_services_compensate() -> None:
    compensating = service(policy=COMPENSATING, compensate=project)
    environ = {"STRANGLER_DSN": "postgresql://nowhere/x", "KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    runs = consuming_of(compensating, RunSettings.from_environ(environ), RuntimeSettings(), "booking")

    assert runs.expiry is not None
    assert (runs.expiry.branch, runs.expiry.compensate) == (Expired.COMPENSATE, project)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"name": "My Mail"}, "use lower case letters"),
        ({"schema": "a-b"}, "use lower case letters"),
        ({"decide": None}, "needs one of `decide` and `project`"),
        ({"project": project}, "needs one of `decide` and `project`"),
        ({"decide": None, "project": project}, "leave out on, writes, vendors and awaited"),
        ({"on": ()}, "name event types in `on`"),
        ({"conclude": lambda *_: []}, "declare its vendors"),
        ({"topics": ()}, "for the plan's subject"),
        ({"policy": COMPENSATING}, "give `compensate`, a handler of them"),
        ({"compensate": project}, "let its policy say expired=compensate"),
    ],
)
def test_what_contradicts_itself_is_refused_with_the_fix(said: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match="service .*" + words):
        service(**said)


def test_where_it_lives_follows_from_its_name_and_the_plans_subject() -> None:
    assert service().context("booking") == Context("mail", "mail", ("booking",), policy=STANDARD)
    other = service(schema="mailing", topics=("a", "b"))
    assert other.context("booking") == Context("mailing", "mail", ("a", "b"), policy=STANDARD)
    assert service().conclude is tell


def test_a_rebuild_makes_the_tables_of_its_rows_anew() -> None:
    assert service(writes=Rows("document", "ref", {"version": "bigint"})).projection == ("document",)
    assert service(writes=lambda _connection, _writes: None, tables=("a", "b")).projection == ("a", "b")
    assert service().projection == ()


def test_a_policy_gets_what_follows_from_its_service() -> None:
    said = Policy.lossless(deadline_s=60.0, guard="the key")
    assert service(policy=said).policy.terms() == {**said.terms(), "flow": "mail"}
    kept = service(policy=said, writes=Rows("document", "ref", {"version": "bigint"}))
    assert kept.policy.rebuild == ("strangler", "rebuild", "mail")
    with pytest.raises(BadInput, match="give it Rows, or name its `tables`"):
        service(policy=kept.policy)


def test_a_projection_that_is_no_step_claims_nothing() -> None:
    order = service(on=(), decide=None, project=project)
    assert order.handler() is project
    with pytest.raises(BadInput, match="no step of the chain"):
        order.step()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: HttpVendor("U", send="/messages", look_up="GET /m/{key}"), "write method and path"),
        (lambda: HttpVendor("U", send="POST /m", look_up="GET /m"), "where the key goes"),
        (lambda: Rows("document", "ref", {"body": "jsonb"}), "no column 'version'"),
        (lambda: Rows("document; DROP", "ref", {"version": "bigint"}), "use lower case letters"),
        (lambda: Review(lambda *_: None, table="a b"), "use lower case letters"),
    ],
)
def test_parts_that_could_not_work_are_refused_with_the_fix(make: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        make()


def test_an_address_that_is_not_set_is_named_with_who_calls_it() -> None:
    with pytest.raises(BadInput, match="MAIL_URL, which mail calls"):
        service(vendors={"mail": VENDOR}).reached_vendors({})


found, lying, text = service(name="found"), service(name="another"), "no service"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nowhere_at_all.x:found", "does not load: ModuleNotFoundError"),
        (f"{__name__}:text", "is a str; name the Service itself"),
        (f"{__name__}:absent", "has no 'absent'"),
        (f"{__name__}:lying", "calls itself 'another'"),
        ("found:", "is no reference"),
    ],
)
def test_a_reference_that_leads_to_no_service_is_refused(reference: str, words: str) -> None:
    with pytest.raises(BadPlan, match=words):
        declared(reference)


def test_a_service_that_names_no_topics_needs_a_subject() -> None:
    assert context_of(f"{__name__}:found", "booking").topics == ("booking",)
    with pytest.raises(BadPlan, match="the plan no subject"):
        context_of(found, "")
    settings = RunSettings.from_environ({"STRANGLER_DSN": "postgresql://h/d", "KAFKA_BOOTSTRAP": "127.0.0.1:1"})
    with pytest.raises(BadPlan, match="the plan no subject"):  # it would read a topic without a name, for ever
        strangler.run(found, settings)


def test_every_public_name_is_there_and_importing_the_package_loads_no_driver() -> None:
    for package in (strangler, strangler.service):
        assert all(getattr(package, name) is not None for name in package.__all__)
    heavy = "psycopg, kafka, flask, sqlalchemy, alembic, requests"
    look = f"import sys, strangler; sys.exit(bool(set('{heavy}'.split(', ')) & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", look], timeout=90, check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Serivce'"):
        strangler.Serivce  # type: ignore[attr-defined]  # noqa: B018
