"""Plans that would leave orders hanging in the middle of the chain are refused, with the fix."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from strangler.waits import Link, waiting_problems

FRAUD = Link("fraud", ("intake", "fraud"), waits=True)
STOCK = Link("inventory", ("fraud", "inventory"), waits=True)
MAIL = Link("notification", ("order",), waits=False)
LEGACY = Link("payment", None, waits=False)


def problems(
    *links: Link,
    topics: Sequence[str] = ("intake", "fraud", "inventory", "order"),
    resumed: bool = True,
) -> list[str]:
    return list(waiting_problems(links, topics=topics, resumed=resumed))


def test_a_legacy_step_may_follow_one_that_is_waited_for() -> None:
    assert problems(FRAUD, STOCK, LEGACY, MAIL) == []
    assert problems(LEGACY, MAIL, resumed=False) == []


@pytest.mark.parametrize(
    ("found", "says", "fix"),
    [
        (problems(MAIL, LEGACY), "'payment' stays legacy after 'notification'", "waits=True"),
        (problems(MAIL, FRAUD), "'fraud' is waited for, but 'notification' before it is not", "behind 'fraud'"),
        (problems(Link("fraud", None, waits=True)), "no new side to wait for", "leave waits out"),
        (problems(FRAUD, topics=("intake",)), "its outcomes have no topic", "add 'fraud' to `topics`"),
        (problems(Link("fraud", ("intake",), waits=True)), "cannot shadow", "its context's topics"),
        (problems(FRAUD, Link("inventory", ("inventory",), waits=True)), "does not read its outcomes", "add 'fraud'"),
        (problems(FRAUD, resumed=False), "nobody goes on with subjects", "`resumer`"),
    ],
)
def test_what_cannot_work_is_refused_with_the_fix(found: list[str], says: str, fix: str) -> None:
    (problem,) = found
    assert says in problem
    assert fix in problem
