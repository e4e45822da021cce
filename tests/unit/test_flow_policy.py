"""A flow's policy is refused when it contradicts itself."""

from collections.abc import Mapping
from dataclasses import fields, replace

import pytest

from new_services.notification.policy import POLICY as NOTIFICATION
from new_services.recommendation.policy import POLICY as RECOMMENDATION
from new_services.search.policy import POLICY as SEARCH
from outbox.errors import ConfigurationError
from outbox.policy import FlowPolicy, Loss
from strangler.step.intents import Json


@pytest.mark.parametrize("policy", [NOTIFICATION, SEARCH, RECOMMENDATION])
def test_a_policy_describes_every_field(policy: FlowPolicy) -> None:
    described = policy.describe()
    assert all(f"{field.name}: " in described for field in fields(policy))
    assert policy.flow in described


@pytest.mark.parametrize(
    ("policy", "changes", "reason"),
    [
        (NOTIFICATION, {"replayable": False}, "must be replayable"),
        (NOTIFICATION, {"degrade_order": 1}, "has no degrade_order"),
        (NOTIFICATION, {"duplicate_guard": ""}, "need a duplicate_guard"),
        (SEARCH, {"degrade_order": None}, "needs a degrade_order"),
        (SEARCH, {"degrade_order": 0}, "needs a degrade_order"),
        (SEARCH, {"loss": Loss.LOSSLESS}, "has no degrade_order"),
        (SEARCH, {"deadline_s": 0.0}, "must be above 0"),
        (SEARCH, {"queue_bound": 0}, "must be above 0"),
        (SEARCH, {"queue_reason": ""}, "needs its queue_reason"),
    ],
)
def test_a_contradiction_is_refused(policy: FlowPolicy, changes: Mapping[str, Json], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        replace(policy, **changes)
