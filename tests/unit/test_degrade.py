"""What an application on Flask hears of what it may leave out."""

from __future__ import annotations

import pytest
from flask import Flask

from strangler.flask import degraded


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ({}, frozenset()),
        ({"Strangler-Degrade": "recommendations"}, {"recommendations"}),
        ({"Strangler-Degrade": "recommendations, reviews,"}, {"recommendations", "reviews"}),
    ],
)
def test_it_is_told_by_names(said: dict[str, str], heard: frozenset[str]) -> None:
    with Flask("shop").test_request_context("/", headers=said):
        assert degraded() == heard


def test_outside_of_a_request_nothing_is_left_out() -> None:
    assert degraded() == frozenset()
