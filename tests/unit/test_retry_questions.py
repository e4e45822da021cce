"""Five questions to every retry of a plan, each with its answer and with what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from outbox.policy import DuplicateImpact, Policy, Retry
from strangler import HttpVendor, Plan, Service, SmtpVendor, Step
from strangler.flows.places import judge
from strangler.service.retry_questions import Question, Retried, lines_of, retries_of
from tests.support.facade_plan import plan as smallest
from tests.unit.policies import STANDARD

MAIL = HttpVendor("MAIL_URL", send="POST /messages", look_up="GET /messages/{key}")


def service(name: str, policy: Policy = STANDARD, **said: Any) -> Service:
    policy = replace(policy, flow=name, throttling_unit=said.pop("unit", name))
    return Service(name, on=("Placed",), decide=lambda _: [], policy=policy, **said)


def plan_of(*steps: Service, **projections: Service) -> Plan:
    return replace(smallest, steps=(Step("pricing"), *(Step(one.name, one) for one in steps)), projections=projections)


def asked(plan: Plan) -> Sequence[Retried]:
    return retries_of(plan, judge(plan).placed)


def lacking(plan: Plan) -> dict[str, list[Question]]:
    return {f"{one.flow} {one.what}": [each.question for each in one.answers if each.missing] for one in asked(plan)}


def test_every_retry_is_asked_the_five_questions() -> None:
    found = asked(plan_of(service("mail", vendors={"mail": MAIL})))

    assert [(one.flow, one.what) for one in found] == [("mail", "events"), ("mail", "calls of mail")]
    assert all([each.question for each in one.answers] == list(Question) for one in found)
    assert all(each.because for one in found for each in one.answers)


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ({"retry": Retry(budget_floor_per_s=100.0)}, Question.BUDGET),
        ({"retry": Retry(base_s=1.0, cap_s=1.0)}, Question.BACK_OFF),
        ({"duplicate_impact": DuplicateImpact.HARMFUL, "duplicate_guard": " "}, Question.IDEMPOTENT),
    ],
)
def test_what_a_policys_retry_lacks_is_named(said: dict[str, Any], question: Question) -> None:
    assert lacking(plan_of(service("mail", replace(STANDARD, **said)))) == {"mail events": [question]}
    assert lacking(plan_of(service("mail"))) == {"mail events": []}


def test_who_shares_what_limits_a_flow_is_named() -> None:
    plan = plan_of(service("mail", unit="the mail service"), letters=service("letters", unit="the mail service"))

    assert lacking(plan) == {"mail events": [Question.OTHERS], "letters events": [Question.OTHERS]}
    assert "as letters is" in asked(plan)[0].answers[-1].because


def test_who_else_calls_a_vendor_is_named_and_so_is_legacy_beside_a_step() -> None:
    one, two = service("mail", vendors={"mail": MAIL}), service("letters", vendors={"post": MAIL})

    assert lacking(plan_of(one))["mail calls of mail"] == [Question.OTHERS]
    alone = asked(plan_of(mail=one))[1].answers[-1]
    beside = asked(plan_of(one, letters=two))[1].answers[-1]
    assert (alone.because, alone.missing) == ("nobody else calls it", "")
    assert "letters, which calls MAIL_URL" in beside.because
    assert "legacy's calls" in beside.because


@pytest.mark.parametrize(
    ("vendor", "words", "complete"),
    [
        (MAIL, "then it is looked up", True),
        (replace(MAIL, look_up=""), "waits for an operator", False),
        (replace(MAIL, key_lifetime_s=0), "so it is asked once", True),
        (SmtpVendor("SMTP_URL", sender="desk@example.com"), "handed over at most once", True),
    ],
)
def test_whether_a_call_may_be_repeated_follows_from_its_vendor(
    vendor: HttpVendor | SmtpVendor, words: str, *, complete: bool
) -> None:
    answer = asked(plan_of(mail=service("mail", vendors={"mail": vendor})))[1].answers[3]

    assert words in answer.because
    assert (answer.missing == "") is complete


def test_each_operation_of_a_vendor_is_a_retry_of_its_own() -> None:
    found = asked(plan_of(pay=service("pay", vendors={"bank": {"charge": MAIL, "refund": MAIL}})))

    assert [one.what for one in found] == ["events", "calls of bank.charge", "calls of bank.refund"]


def test_the_answers_are_printed_with_what_is_missing() -> None:
    said = list(lines_of(asked(plan_of(service("mail", replace(STANDARD, retry=Retry(base_s=1.0, cap_s=1.0)))))))

    assert said[0] == "1 retries, 1 of them with something missing"
    assert said[1] == "mail tries events again:"
    assert [line[2:5] for line in said if line.startswith("  ") and "missing:" not in line] == [
        "yes",
        "yes",
        "no ",
        "yes",
        "yes",
    ]
    assert "       missing: a retry.cap_s above retry.base_s" in said


def test_flows_that_name_no_unit_share_none() -> None:
    plain = Policy.lossless(60.0, "the claim")
    named = [Service(name, on=("Placed",), decide=lambda _: [], policy=plain) for name in ("mail", "index")]
    lacking_of_events = [each for what, each in lacking(plan_of(*named)).items() if what.endswith("events")]
    assert len(lacking_of_events) == 2
    assert all(Question.OTHERS not in each for each in lacking_of_events)
