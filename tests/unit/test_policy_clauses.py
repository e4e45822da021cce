"""Every decision can cite a clause of a policy."""

from dataclasses import replace

import pytest

from outbox.errors import ConfigurationError
from outbox.policy import Policy
from tests.support.services import SERVICES
from tests.unit.policies import BULK, GOOD, LOSSY, STANDARD

POLICIES = [*GOOD, *(service.policy for service in SERVICES.values())]


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
