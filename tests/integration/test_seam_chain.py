"""A chain of three steps with any mix of owners: each step once, the rest once, whoever goes on with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from outbox.connection import PsycopgConnection
from strangler.continuation import table
from strangler.continuation.table import StepOutcome
from tests.support.logs import lines_of
from tests.support.three_steps import STEPS, Shop, SoldOut
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka
MIXES = [mix for count in range(4) for mix in itertools.combinations(STEPS, count)]
WAITING = "SELECT waits_for FROM strangler.continuation WHERE subject_ref = %s AND state = 'waiting'"
Open = Callable[..., Shop]


@pytest.fixture
def open_shop(database: str) -> Iterator[Open]:
    opened: list[Shop] = []

    def open_(**given: object) -> Shop:
        opened.append(Shop(database, **given))  # type: ignore[arg-type]  # by name
        return opened[-1]

    yield open_
    for shop in opened:
        shop.close()


@pytest.fixture
def hasty(open_shop: Open) -> Shop:
    """Its requests wait for nothing."""
    return open_shop(wait_s=0.0)


@pytest.fixture
def patient(open_shop: Open) -> Shop:
    """Its requests wait for as long as a test needs."""
    return open_shop(wait_s=20.0)


@pytest.fixture
def resumer(database: str) -> Iterator[PsycopgConnection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def done(ref: str, *steps: str) -> list[StepOutcome]:
    return [StepOutcome(ref, step, False, {"id": f"new {step}"}) for step in steps]


def store(resumer: PsycopgConnection, outcomes: Sequence[StepOutcome]) -> None:
    """In one transaction, as its handler does: a request that took the first of them would wait for us on the rest."""
    with resumer.transaction():
        table.store(resumer, outcomes)


def until_waits(resumer: PsycopgConnection, ref: str, step: str) -> None:
    wait_until(lambda: resumer.execute(WAITING, (ref,)).fetchall() == [(step,)])


def did(new: Sequence[str]) -> str:
    return "".join(f" {step}={'new' if step in new else 'legacy'} {step}," for step in STEPS)


def each_step_once(shop: Shop, ref: str, new: Sequence[str]) -> None:
    legacy = [step for step in STEPS if step not in new]
    assert shop.seen(ref) == ("made", did(new))
    assert shop.calls == [*legacy, "mail"]
    assert shop.keys(ref) == sorted(f"{ref}:{step}:100" for step in legacy)
    assert shop.told(ref) == [
        (f"{step}-done", {"ref": ref, "outcome": {"by": "legacy", "id": f"legacy {step}"}}) for step in legacy
    ]
    assert shop.records(ref) == sorted([*((step, 1, "done") for step in [*legacy, "mail"]), ("text", 1, "none")])
    assert not shop.go_on(ref)


def runs_of(new: Sequence[str]) -> list[list[str]]:
    """The new side's steps, as they follow each other without one of legacy's between."""
    groups = itertools.groupby(STEPS, key=lambda step: step in new)
    return [list(steps) for is_new, steps in groups if is_new]


@pytest.mark.parametrize("new", MIXES, ids=lambda mix: "+".join(mix) or "none")
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_in_time_each_step_runs_once_on_its_side(
    open_shop: Open, resumer: PsycopgConnection, driver: str, new: Sequence[str]
) -> None:
    shop = open_shop(wait_s=20.0, driver=driver)
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(shop.place, "a", *new)
        for steps in runs_of(new):
            until_waits(resumer, "a", steps[-1])
            store(resumer, done("a", *steps))
        assert request.result() == (201, "made")
    each_step_once(shop, "a", new)


@pytest.mark.parametrize("new", MIXES[1:], ids="+".join)
def test_late_each_step_runs_once_on_its_side(hasty: Shop, resumer: PsycopgConnection, new: Sequence[str]) -> None:
    assert hasty.place("a", *new) == (202, "new")
    assert {state for _, _, state in hasty.records("a")} <= {"done"}
    assert hasty.creation_status("a") == 202
    for steps in runs_of(new):
        until_waits(resumer, "a", steps[-1])
        store(resumer, done("a", *steps))
        assert hasty.go_on("a")
    each_step_once(hasty, "a", new)
    assert hasty.creation_status("a") == 201


def test_outcomes_that_come_in_another_order_are_waited_for_one_by_one(hasty: Shop, resumer: PsycopgConnection) -> None:
    hasty.place("a", *STEPS)
    until_waits(resumer, "a", "payment")
    store(resumer, done("a", "payment"))
    assert hasty.go_on("a")
    until_waits(resumer, "a", "stock")
    store(resumer, done("a", "fraud", "stock"))

    assert hasty.go_on("a")
    each_step_once(hasty, "a", STEPS)


def test_a_request_that_waits_holds_no_connection(patient: Shop, resumer: PsycopgConnection) -> None:
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(patient.place, "a", *STEPS)
        until_waits(resumer, "a", "payment")
        wait_until(lambda: patient.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]  # it is a QueuePool
        assert not request.done()
        store(resumer, done("a", *STEPS))
        assert request.result() == (201, "made")


def test_a_refusal_of_the_new_side_is_the_applications_own(patient: Shop, resumer: PsycopgConnection) -> None:
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(patient.place, "a", *STEPS)
        until_waits(resumer, "a", "payment")
        store(resumer, [*done("a", "fraud"), StepOutcome("a", "stock", True, {"reason": "none left"})])
        with pytest.raises(SoldOut, match="none left"):
            request.result()

    assert patient.seen("a") == ("refused by stock", "")
    assert patient.creation_status("a") == 410
    assert patient.calls == []


def test_a_refusal_without_an_answer_of_its_own_has_its_status(patient: Shop, resumer: PsycopgConnection) -> None:
    patient.strangled._chain.middle.refused["payment"] = lambda _basket, _outcome: None
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(patient.place, "a", "payment")
        until_waits(resumer, "a", "payment")
        store(resumer, [StepOutcome("a", "payment", True, {"reason": "no"})])
        assert request.result() == (409, "new")


def test_a_legacy_step_that_refuses_in_the_rest_ends_it_by_the_same_function(
    hasty: Shop, resumer: PsycopgConnection
) -> None:
    hasty.sold_out = True
    hasty.place("a", "fraud")
    store(resumer, done("a", "fraud"))
    assert hasty.go_on("a")

    assert hasty.seen("a") == ("refused by stock", "")
    assert hasty.creation_status("a") == 410
    assert hasty.told("a") == [("stock-no", {"ref": "a", "outcome": {"by": "legacy", "reason": "sold out"}})]
    assert hasty.records("a") == [
        ("mail", 1, "none"),
        ("payment", 1, "none"),
        ("stock", 1, "failed"),
        ("text", 1, "none"),
    ]
    assert not hasty.go_on("a")


def test_a_vendor_that_was_called_before_a_refusal_in_the_rest_is_on_record(
    open_shop: Open, resumer: PsycopgConnection
) -> None:
    shop = open_shop(order=("fraud", "payment", "stock"), sold_out=True)
    shop.place("a", "fraud")
    store(resumer, done("a", "fraud"))
    assert shop.go_on("a")

    assert shop.keys("a") == ["a:payment:100"]
    assert ("payment", 1, "failed") in shop.records("a")


def test_a_legacy_step_that_refuses_before_any_wait_refuses_as_ever(hasty: Shop) -> None:
    hasty.sold_out = True
    with pytest.raises(SoldOut, match="sold out"):
        hasty.place("a")
    assert hasty.rows("SELECT FROM basket") == []
    assert hasty.rows("SELECT FROM outbox.outbox") == []


def test_of_many_who_go_on_at_once_one_does(hasty: Shop, resumer: PsycopgConnection) -> None:
    for number in range(10):
        ref = f"a{number}"
        hasty.place(ref, "payment")
        hasty.calls.clear()
        store(resumer, done(ref, "payment"))
        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(hasty.go_on, [ref] * 4)) == [False, False, False, True]
        assert hasty.calls == ["mail"]


def test_what_fails_after_the_wait_is_left_to_the_next_who_tries(
    patient: Shop, resumer: PsycopgConnection, caplog: pytest.LogCaptureFixture
) -> None:
    patient.mail_fails = True
    with ThreadPoolExecutor(1) as pool:
        request = pool.submit(patient.place, "a", "payment")
        until_waits(resumer, "a", "payment")
        store(resumer, done("a", "payment"))
        assert request.result() == (202, "new")
    (failed,) = [one for one in lines_of(caplog, "strangler") if one.message == "rest_failed"]
    assert (failed.error, failed.at.partition(":")[0]) == ("OSError", "three_steps.py")  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="no mail today"):
        patient.go_on("a")

    patient.mail_fails = False
    assert patient.go_on("a")
    assert patient.seen("a") == ("made", did(["payment"]))


@pytest.mark.parametrize(
    ("new", "done_before", "handed_back"),
    [
        (STEPS, [], ["fraud"]),
        (STEPS, [], ["payment", "stock", "fraud"]),
        (STEPS, ["fraud"], ["stock"]),
        (STEPS, ["fraud", "stock"], ["payment"]),
        (["stock"], [], ["stock"]),
        (["fraud", "payment"], ["fraud"], ["payment"]),
    ],
)
def test_a_step_that_is_handed_back_runs_once_in_the_rest(
    hasty: Shop, resumer: PsycopgConnection, new: Sequence[str], done_before: Sequence[str], handed_back: Sequence[str]
) -> None:
    """`done_before`: what the new side had done when it was told to stop."""
    hasty.place("a", *new)
    store(resumer, done("a", *done_before))
    hasty.go_on("a")
    taken = [hasty.hand_back("a", step) for step in (*handed_back, *handed_back)]
    left = [step for step in new if step not in handed_back]
    store(resumer, done("a", *[step for step in left if step not in done_before]))
    wait_until(lambda: not hasty.go_on("a") and hasty.seen("a")[0] == "made")

    assert taken == [True] * len(taken)
    hasty.calls.sort(key=[*STEPS, "mail"].index)
    each_step_once(hasty, "a", left)


def test_a_step_that_has_been_gone_on_behind_is_not_taken_back(hasty: Shop, resumer: PsycopgConnection) -> None:
    hasty.place("a", "fraud")
    store(resumer, done("a", "fraud"))
    hasty.go_on("a")
    assert not hasty.hand_back("a", "fraud")
