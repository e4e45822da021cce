"""Subjects of the new side without a witness: its own account is held against itself and the ledger, by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from strangler import Rows, Write
from strangler.facts import KIND, TARGET, Fact, Kept
from strangler.ownership import Owner
from strangler.reconcile.compare import judge
from strangler.reconcile.pairing import ByPlace
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import Acted, RecordedChange, Rules, SubjectEvidence, Visibility
from strangler.step.digests import digest
from strangler.step.intents import Json
from tests.unit.judging import REF, case, pending

OF_MAILS = Rules("mailing", ByPlace(), stateful=False, witnessed=False, due=frozenset({"Placed", "Cancelled"}))
WITH_AND_WITHOUT_LEDGER: tuple[Sequence[Fact] | None, ...] = (None, ())
SEATS = Rows("seat", "ref", {"version": "bigint", "desk": "integer", "since": "timestamptz"})
OF_SEATS = replace(OF_MAILS, identity=ByPlace(rows=True), stateful=True, kept=SEATS.kept)


def mail(number: int = 100, text: str = "hello", target: str = "mail.send") -> Fact:
    return Fact(REF, number, number // 100, {"text": text, KIND: "call", TARGET: target})


def of(fact: Fact) -> str:
    body = {name: value for name, value in fact.fields.items() if name not in (KIND, TARGET)}
    return digest({"kind": fact.fields[KIND], "target": fact.fields[TARGET], "body": body})


def seat(version: int, desk: Json = 4) -> Fact:
    """As `Rows` reads it again."""
    fields = {"ref": REF, "version": version, "desk": desk, "since": "2026-11-30", KIND: "write", TARGET: "seat"}
    return Fact(REF, 100 * version, version, fields)


def want_seat(desk: Json = 4) -> str:
    return digest({"kind": "write", "target": "seat", "body": {"desk": desk}})


def given(
    wanted: Mapping[int, Sequence[str]],
    *actual: Fact,
    rules: Rules = OF_MAILS,
    changes: Sequence[RecordedChange] = (RecordedChange(1, "Placed"),),
    emitted: frozenset[str] = frozenset(),
    kept: Kept | None = None,
    **more: Json,
) -> SubjectEvidence:
    """A subject of the new side with these claims."""
    rules = replace(rules, kept=kept or rules.kept)
    claims = more.pop("claims", dict.fromkeys(wanted, "applied"))
    found = case(Owner.NEW, rules=rules, actual=actual, claims=claims, **more)
    return replace(
        found,
        legacy=replace(found.legacy, changes=changes),
        new=replace(found.new, wanted=wanted, emitted=emitted),
    )


def said(found: SubjectEvidence) -> dict[int, tuple[str, str]]:
    return {one.number: (one.verdict.value, one.reason) for one in judge(found)}


def test_a_call_that_is_done_by_our_own_word_is_acted_and_never_a_match() -> None:
    assert said(given({100: [of(mail())]}, mail())) == {100: ("acted", Reason.OWN_WORD)}
    assert said(given({100: [of(mail())]}, pending(mail()))) == {100: ("late", Reason.PENDING)}
    refused = replace(mail(), refused=True)
    assert said(given({100: [of(mail())]}, refused)) == {100: ("failed", Reason.VENDOR_REFUSED)}


def test_a_call_that_ended_and_was_never_made_is_missing_with_or_without_a_ledger() -> None:
    gone = replace(mail(), refused=True, never_accepted=True)
    for ledger in WITH_AND_WITHOUT_LEDGER:
        found = given({100: [of(mail())]}, gone, ledger=ledger)
        assert said(found) == {100: ("missing", Reason.NEVER_ACCEPTED)}
    assert said(given({100: [of(mail())]}, gone, ledger=[mail()])) == {100: ("extra", Reason.UNWANTED)}


def test_what_only_an_operator_can_find_out_is_unknown_unless_the_ledger_has_it() -> None:
    open_still = replace(pending(mail()), unsettled=True)
    for ledger in WITH_AND_WITHOUT_LEDGER:
        found = given({100: [of(mail())]}, open_still, ledger=ledger)
        assert said(found) == {100: ("unknown", Reason.UNSETTLED)}
    assert said(given({100: [of(mail())]}, open_still, ledger=[mail()])) == {100: ("match", Reason.SAME)}


def test_a_lost_call_and_a_step_that_wanted_nothing_are_told_apart() -> None:
    assert said(given({100: [of(mail())]})) == {100: ("missing", Reason.EFFECT_LOST)}
    assert said(given({100: []})) == {100: ("acted", Reason.WANTED_NOTHING)}


def test_a_call_that_is_not_what_was_claimed_is_a_mismatch() -> None:
    assert said(given({100: [of(mail())]}, mail(text="other"))) == {100: ("mismatch", Reason.CLAIM_DIFFERS)}


def test_an_event_that_asks_for_something_and_has_no_claim_is_missing_once_it_was_passed() -> None:
    both = (RecordedChange(1, "Placed"), RecordedChange(2, "Cancelled"), RecordedChange(3, "Renamed"))
    found = given({100: []}, changes=both)

    assert said(found)[200] == ("missing", Reason.NO_CLAIM)
    assert said(replace(found, state=Visibility.BEHIND))[200] == ("late", Reason.BEHIND)
    assert 300 not in said(found)


def test_what_was_given_up_is_shed() -> None:
    found = given({}, claims={100: "shed"}, shed={100: "policy:mail.sampling.keep=0.1"})

    assert said(found)[100][0] == "shed"


def test_a_claim_that_keeps_no_digests_stands_for_itself() -> None:
    assert said(given({}, claims={100: "applied"})) == {100: ("acted", Reason.OWN_WORD)}
    assert said(given({}, mail(), claims={100: "applied"}, ledger=[mail()])) == {100: ("match", Reason.SAME)}


def test_without_change_claim_or_ledger_nothing_can_be_said() -> None:
    assert said(given({}, changes=())) == {100: ("unknown", Reason.NO_ACCOUNT)}


def test_a_call_without_claim_is_extra() -> None:
    found = given({}, mail(200), changes=(), claims={})

    assert said(found) == {200: ("extra", Reason.WITHOUT_CLAIM)}


def test_what_follows_an_answer_is_acted_too() -> None:
    following = mail(101, "receipt")

    assert said(given({100: [of(mail())]}, mail(), following))[101] == ("acted", Reason.OWN_WORD)


def test_a_call_beyond_what_its_claim_stands_for_is_extra_where_no_answer_leads_to_one() -> None:
    rules = replace(OF_MAILS, concludes=False)
    found = given({100: [of(mail())]}, mail(), mail(101), rules=rules, ledger=[mail(), mail(101)])

    assert said(found) == {100: ("match", Reason.SAME), 101: ("extra", Reason.BEYOND_CLAIM)}


def test_a_lost_call_that_the_vendor_has_is_lost_and_not_unwanted() -> None:
    assert said(given({100: [of(mail())]}, ledger=[mail()])) == {100: ("missing", Reason.EFFECT_LOST)}


def test_a_row_without_any_claim_is_extra() -> None:
    assert said(given({}, seat(1), rules=OF_SEATS, changes=())) == {100: ("extra", Reason.WITHOUT_CLAIM)}


def test_with_a_ledger_the_vendors_word_makes_a_match() -> None:
    claimed = {100: [of(mail())]}

    assert said(given(claimed, mail(), ledger=[mail()])) == {100: ("match", Reason.SAME)}
    assert said(given(claimed, mail(), ledger=[])) == {100: ("missing", Reason.NOT_IN_LEDGER)}
    assert said(given(claimed, pending(mail()), ledger=[])) == {100: ("late", Reason.PENDING)}
    assert said(given(claimed, mail(), ledger=[mail(text="?")])) == {100: ("mismatch", Reason.OTHER_FIELDS)}
    assert said(given(claimed, mail(), ledger=[mail(), mail()])) == {100: ("duplicate", Reason.REPEATED)}
    strange = given(claimed, mail(), ledger=[mail(), mail(300)])
    assert said(strange)[300] == ("extra", Reason.UNCLAIMED)


def test_an_entry_without_a_key_of_ours_that_equals_one_of_ours_is_a_duplicate() -> None:
    found = given({100: [of(mail())]}, mail(), ledger=[mail(), replace(mail(), number=0, version=0)])

    assert said(found) == {100: ("duplicate", Reason.REPEATED)}


def test_a_vendor_without_ledger_is_believed_beside_one_that_has_one() -> None:
    rules = replace(OF_MAILS, vendors=frozenset({"mail"}))
    letter = mail(101, target="post.send")
    found = given({100: [of(mail()), of(letter)]}, mail(), letter, ledger=[mail()], rules=rules)

    assert said(found) == {100: ("match", Reason.SAME), 101: ("acted", Reason.OWN_WORD)}


def test_a_row_is_held_against_the_newest_claim_by_what_the_table_shows_again() -> None:
    claims = {100: [want_seat(1)], 200: [want_seat()]}

    assert said(given(claims, seat(2), rules=OF_SEATS)) == {200: ("acted", Reason.OWN_WORD)}
    assert said(given(claims, seat(2, 5), rules=OF_SEATS)) == {200: ("mismatch", Reason.CLAIM_DIFFERS)}
    assert said(given(claims, seat(1, 1), rules=OF_SEATS)) == {200: ("missing", Reason.OLD_VERSION)}
    assert said(given(claims, rules=OF_SEATS)) == {200: ("missing", Reason.CLAIMED_ROW_LOST)}
    assert said(given(claims, seat(3), rules=OF_SEATS))[300] == ("extra", Reason.WITHOUT_CLAIM)


def test_of_two_writes_of_one_version_one_stays() -> None:
    claims = {100: [want_seat()], 150: [want_seat(5)]}

    assert said(given(claims, seat(1), rules=OF_SEATS)) == {150: ("acted", Reason.OWN_WORD)}
    assert said(given(claims, seat(1, 6), rules=OF_SEATS)) == {150: ("mismatch", Reason.CLAIM_DIFFERS)}


def test_a_row_of_a_claim_that_an_older_release_made_is_believed() -> None:
    both = given({100: [want_seat()]}, seat(2, 9), rules=OF_SEATS, claims={100: "applied", 200: "applied"})

    assert {verdict for verdict, _ in said(both).values()} == {"acted"}


def test_a_row_that_nobody_can_read_again_is_believed() -> None:
    assert said(given({100: ["-"]}, rules=OF_SEATS)) == {100: ("acted", Reason.OWN_WORD)}
    assert said(given({100: [want_seat()]})) == {100: ("acted", Reason.OWN_WORD)}


def test_an_event_that_was_claimed_and_never_told_is_missing() -> None:
    told = digest({"kind": "emit", "target": "MailSent", "body": {}})

    assert said(given({100: [told]}, emitted=frozenset({told}))) == {100: ("acted", Reason.OWN_WORD)}
    assert said(given({100: [told]})) == {100: ("missing", Reason.EVENT_LOST)}
    assert said(given({100: [""]})) == {100: ("acted", Reason.OWN_WORD)}


def test_beside_a_witness_only_what_contradicts_itself_is_said() -> None:
    rules = replace(OF_MAILS, witnessed=True)
    witness = [replace(mail(), fields={"text": "hello"})]

    assert said(given({100: [of(mail())]}, mail(), rules=rules, oracle=witness)) == {100: ("match", Reason.SAME)}
    altered = given({100: [of(mail())]}, mail(text="x"), rules=rules, oracle=witness, ledger=[mail()])
    assert said(altered) == {100: ("mismatch", Reason.CLAIM_DIFFERS)}


def test_legacy_on_a_subject_of_the_new_side_is_said_all_the_same() -> None:
    assert said(given({100: []}, seam=[Acted(1, ())])) == {100: ("extra", Reason.BOTH_ACTED)}


def test_rows_keep_of_a_write_what_they_show_again() -> None:
    shown = SEATS.kept(REF, Write("seat", {"desk": 4, "since": "2026-11-30"}))

    assert shown == Write("seat", {"desk": 4})
