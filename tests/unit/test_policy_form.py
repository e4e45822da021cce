"""A policy goes to plain data and back unchanged, and every decision can cite a clause of it."""

import json
from dataclasses import replace

import pytest

from outbox.errors import ConfigurationError
from outbox.policy import Policy, from_data, to_data
from tests.support.services import SERVICES
from tests.unit.policies import BULK, GOOD, LOSSY, STANDARD

POLICIES = [*GOOD, *(service.policy for service in SERVICES.values())]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.flow)
def test_a_policy_comes_back_from_json_as_it_was(policy: Policy) -> None:
    data = to_data(policy)

    assert json.loads(json.dumps(data)) == data
    assert from_data(data) == policy


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"colour": "red"}, "colour"),
        ({"loss": "some"}, "policy.loss is 'some'"),
        ({"deadline_s": "soon"}, "policy.deadline_s is 'soon', not a float"),
        ({"deadline_s": True}, "policy.deadline_s is True"),
        ({"queue_bound": 1.5}, "policy.queue_bound"),
        ({"replayable": 1}, "policy.replayable"),
        ({"retry": {}}, "policy.retry has unknown or lacks: attempts"),
        ({"sampling": 3}, "policy.sampling is 3, not an object"),
        ({"rebuild": "all"}, "policy.rebuild is 'all', not a list"),
    ],
)
def test_data_that_is_no_policy_is_refused_with_the_term(changes: dict[str, object], names: str) -> None:
    with pytest.raises(ConfigurationError, match=names):
        from_data({**to_data(STANDARD), **changes})


def test_an_absent_term_is_not_guessed() -> None:
    data = to_data(STANDARD)
    del data["deadline_s"]

    with pytest.raises(ConfigurationError, match="lacks: deadline_s"):
        from_data(data)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.flow)
def test_every_term_has_a_clause_and_is_described(policy: Policy) -> None:
    terms = policy.terms()

    assert len(terms) >= 9
    assert all(policy.clause(name).startswith(f"policy:{policy.flow}.{name}=") for name in terms)
    assert all(f"{name}: " in policy.describe() for name in terms)


def test_a_clause_says_what_was_declared() -> None:
    assert LOSSY.clause("expired") == "policy:advice.expired=drop"
    assert LOSSY.clause("sampling.keep") == "policy:advice.sampling.keep=0.1"
    assert STANDARD.clause("retry.over_budget") == "policy:mails.retry.over_budget=defer"
    assert STANDARD.clause("degrade_order") == "policy:mails.degrade_order=null"
    assert LOSSY.clause("sampling.by_key") == "policy:advice.sampling.by_key=true"


def test_a_clause_that_no_policy_has_is_an_error_that_lists_them() -> None:
    with pytest.raises(ConfigurationError, match=r"no clause 'mood'.*retry\.attempts"):
        BULK.clause("mood")


def test_replays_are_labelled_by_what_a_duplicate_does() -> None:
    assert BULK.replay == "unattended"
    assert STANDARD.replay == "attended"
    assert replace(BULK, replayable=False).replay == "never"
