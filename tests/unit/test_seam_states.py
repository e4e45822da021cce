"""What legacy's own records and its process's life say of a call, row by row, written down by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facts import FINDINGS, KIND, TARGET, Fact, Verdict
from strangler.ownership import Owner
from strangler.reconcile.compare import judge
from strangler.reconcile.pairing import ByPlace
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import (
    Acted,
    CallState,
    LegacySide,
    OpenCall,
    RecordedChange,
    Rules,
    SubjectEvidence,
)
from tests.unit.judging import REF, case

MAILING = Rules("mailing", ByPlace(), stateful=False, witnessed=False, due=frozenset({"Placed"}))
BEGUN, FAILED, NONE = CallState.BEGUN, CallState.FAILED, CallState.NONE
DONE = "done"
SILENT = ("", "")


def mail(number: int = 100, text: str = "hello") -> Fact:
    return Fact(REF, number, number // 100, {"text": text, KIND: "call", TARGET: "mail.send"})


def seen(
    *records: tuple[int, str],
    alive: bool | None = False,
    ledger: list[Fact] | None = None,
    owner: Owner = Owner.LEGACY,
    type_: str = "Placed",
    decided: tuple[Fact, ...] | None = None,
    handed_back: str = "",
) -> SubjectEvidence:
    """A subject with one change; `records`: call and state, each done one with a mail."""
    done = tuple(mail(99 + call) for call, state in records if state == DONE)
    rest = [OpenCall(1, call, CallState(state)) for call, state in records if state != DONE]
    given_case = case(
        owner,
        rules=MAILING,
        recorded=[] if decided is None else [Acted(1, decided)],
        ledger=ledger,
    )
    legacy = LegacySide(
        given_case.legacy.order,
        seam=[Acted(1, done)] if done else [],
        open_calls=rest,
        changes=[RecordedChange(1, type_, alive)],
        handed_back=handed_back,
    )
    return replace(given_case, legacy=legacy)


def said(given_case: SubjectEvidence) -> dict[int, tuple[str, str]]:
    return {one.number: (one.verdict.value, one.reason) for one in judge(given_case)}


# record, alive -> without a ledger; with one that has nothing; with one that has the mail
TABLE = [
    (None, True, ("late", Reason.STILL_ABLE), ("late", Reason.STILL_ABLE), ("match", Reason.LEDGER_SAYS)),
    (None, False, ("missing", Reason.NOBODY), ("missing", Reason.NOBODY), ("match", Reason.LEDGER_SAYS)),
    (BEGUN, True, ("late", Reason.STILL_ABLE), ("late", Reason.STILL_ABLE), ("match", Reason.LEDGER_SAYS)),
    (BEGUN, False, ("unknown", Reason.DIED_IN_CALL), ("missing", Reason.DIED_BEFORE), ("match", Reason.LEDGER_SAYS)),
    (FAILED, True, ("failed", Reason.LEGACY_FAILED), ("failed", Reason.LEGACY_FAILED), ("match", Reason.LEDGER_SAYS)),
    (FAILED, False, ("failed", Reason.LEGACY_FAILED), ("failed", Reason.LEGACY_FAILED), ("match", Reason.LEDGER_SAYS)),
    (NONE, True, SILENT, SILENT, ("extra", Reason.UNWANTED)),
    (NONE, False, SILENT, SILENT, ("extra", Reason.UNWANTED)),
    (DONE, True, ("acted", Reason.LEGACY_WORD), ("missing", Reason.LEGACY_NOT_IN_LEDGER), ("match", Reason.SAME)),
    (DONE, False, ("acted", Reason.LEGACY_WORD), ("missing", Reason.LEGACY_NOT_IN_LEDGER), ("match", Reason.SAME)),
]


@pytest.mark.parametrize(("state", "alive", "alone", "absent", "accepted"), TABLE)
def test_each_state_has_its_verdict(
    state: str | None,
    alive: bool,
    alone: tuple[str, str],
    absent: tuple[str, str],
    accepted: tuple[str, str],
) -> None:
    records = [] if state is None else [(1, state)]

    for ledger, expected in ((None, alone), ([], absent), ([mail()], accepted)):
        found = said(seen(*records, alive=alive, ledger=ledger))
        assert found.get(100, SILENT) == expected


def loose(number: int) -> list[Fact]:
    """So many entries without a key of ours."""
    return [replace(mail(), number=0, version=0) for _ in range(number)]


@pytest.mark.parametrize("records", [[], [(1, BEGUN)], [(1, FAILED)], [(1, DONE)], [(1, DONE), (2, BEGUN)]])
def test_an_entry_without_a_number_answers_one_act(records: list[tuple[int, str]]) -> None:
    due = max(1, len(records))

    assert {verdict for verdict, _ in said(seen(*records, ledger=loose(due))).values()} == {"match"}
    more = said(seen(*records, ledger=loose(due + 1)))
    assert {verdict for verdict, _ in more.values()} & {"extra", "duplicate"}
    while_it_lives = said(seen(*records, alive=True, ledger=loose(due + 1)))
    assert {verdict for verdict, _ in while_it_lives.values()} == {"match", "late"}


def test_without_the_ledgers_of_all_its_vendors_nobody_knows_what_a_dead_process_has_asked_for() -> None:
    found = seen((1, BEGUN), ledger=[])
    found = replace(found, rules=replace(found.rules, all_tell=False))

    assert said(found) == {100: ("unknown", Reason.DIED_IN_CALL)}
    assert said(replace(found, ledger=[mail()])) == {100: ("match", Reason.LEDGER_SAYS)}


def test_an_event_that_asks_the_step_for_nothing_is_not_due() -> None:
    assert said(seen(type_="Renamed")) == {}


def test_a_finished_hand_back_is_a_record() -> None:
    assert said(seen(handed_back="done")) == {}
    assert said(seen(handed_back="tombstoned")) == {100: ("late", Reason.HANDING_BACK)}


def test_where_nobody_knows_the_process_nothing_can_be_said_but_by_the_vendor() -> None:
    unknown = {100: ("unknown", Reason.PROCESS_UNKNOWN)}

    assert said(seen(alive=None)) == said(seen((1, BEGUN), alive=None)) == said(seen(alive=None, ledger=[])) == unknown
    assert said(seen((1, BEGUN), alive=None, ledger=[mail()])) == {100: ("match", Reason.LEDGER_SAYS)}


def test_a_call_has_the_process_that_made_it_and_not_the_changes() -> None:
    """A worker calls for a request that has ended long ago."""
    base = seen((1, BEGUN), alive=False)
    call = replace(base.legacy.open_calls[0], alive=True)

    assert said(replace(base, legacy=replace(base.legacy, open_calls=[call]))) == {100: ("late", Reason.STILL_ABLE)}


def test_two_calls_are_two() -> None:
    assert said(seen((1, DONE), (2, DONE))) == {
        100: ("acted", Reason.LEGACY_WORD),
        101: ("acted", Reason.LEGACY_WORD),
    }
    assert said(seen((1, DONE), (2, BEGUN))) == {
        100: ("acted", Reason.LEGACY_WORD),
        101: ("unknown", Reason.DIED_IN_CALL),
    }
    both = [mail(100), mail(101)]
    assert said(seen((1, FAILED), (2, DONE), ledger=both)) == {
        100: ("match", Reason.LEDGER_SAYS),
        101: ("match", Reason.SAME),
    }


def test_a_call_that_was_ended_by_nobody_and_stands_twice_in_the_ledger_was_one_too_many() -> None:
    assert said(seen((1, BEGUN), ledger=[mail(), mail()]))[100][0] == "extra"


def test_beside_a_shadow_a_second_try_is_compared_with_the_one_decision() -> None:
    """The vendor's key of the second try has a number of its own."""
    found = said(seen((1, FAILED), (2, DONE), owner=Owner.SHADOW, decided=(mail(),)))

    assert found == {100: ("failed", Reason.LEGACY_FAILED)}
    assert said(seen((1, DONE), owner=Owner.SHADOW, decided=(mail(),))) == {100: ("match", Reason.SAME)}


def test_a_shadow_that_wants_what_legacy_says_was_not_due_is_found() -> None:
    found = said(seen((1, NONE), owner=Owner.SHADOW, decided=(mail(),)))

    assert found == {100: ("extra", Reason.SHADOW_WANTS_MORE)}
    assert said(seen((1, NONE), owner=Owner.SHADOW, decided=())) == {100: ("match", Reason.SAME)}


def test_a_shadow_says_nothing_of_what_legacy_has_not_ended() -> None:
    found = said(seen((1, BEGUN), alive=True, owner=Owner.SHADOW, decided=(mail(),)))

    assert found == {100: ("late", Reason.STILL_ABLE)}


RECORDS = st.lists(st.sampled_from([BEGUN, FAILED, NONE, DONE]), max_size=4)
LEDGERS = st.none() | st.lists(st.integers(100, 104), max_size=5)


@given(RECORDS, st.booleans(), LEDGERS, st.sampled_from([Owner.LEGACY, Owner.SHADOW]), st.booleans())
def test_what_holds_of_every_mixture(
    states: list[str], alive: bool, numbers: list[int] | None, owner: Owner, shadowed: bool
) -> None:
    """While the process lives nothing that is not there is called missing, but by a record that says it is done; a
    vendor's word is never overruled; without a ledger and without a shadow nothing is called a match.
    """
    records = list(enumerate(states, 1))
    ledger = None if numbers is None else [mail(number) for number in numbers]
    decided = (mail(),) if shadowed and owner is Owner.SHADOW else None
    found = {one.number: one for one in judge(seen(*records, alive=alive, ledger=ledger, owner=owner, decided=decided))}

    done = {99 + call for call, state in records if state == DONE}
    for number, one in found.items():
        if alive and one.verdict is Verdict.MISSING:
            assert number in done or owner is Owner.SHADOW
        if ledger is None and decided is None:
            assert one.verdict is not Verdict.MATCH
            assert one.verdict not in FINDINGS or not states or owner is Owner.SHADOW
    if ledger is not None:
        assert all(number in found for number in numbers or ())
    if not states:
        assert 100 in found


@pytest.mark.parametrize("ledger", [None, []], ids=["no ledger", "nothing in the ledger"])
@pytest.mark.parametrize(
    ("alive", "absent"), [(True, ("late", Reason.STILL_ABLE)), (False, ("missing", Reason.NOBODY))]
)
def test_beside_a_witness_a_change_by_which_it_wants_nothing_needs_no_record(
    alive: bool, absent: tuple[str, str], ledger: list[Fact] | None
) -> None:
    """Legacy may have no seam there at all, as where the new side alone refunds a cancelled order."""
    silent = replace(seen(alive=alive, ledger=ledger), rules=replace(MAILING, witnessed=True))
    assert said(silent) == {}

    wanted = replace(silent, legacy=replace(silent.legacy, oracle=[mail()]))
    assert said(wanted) == {100: absent}
