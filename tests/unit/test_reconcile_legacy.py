"""Orders that legacy owns, watched by a shadow or not, and effects without an order: every class, by hand."""

from dataclasses import replace

from strangler.facts import KIND, TARGET, UNOBSERVED, Fact
from strangler.ownership import Owner
from strangler.reconcile.compare import judge
from strangler.reconcile.reasons import Reason
from strangler.reconcile.subject_evidence import Acted, Visibility
from tests.unit.judging import DOCUMENT, REF, acted, case, document, mail, only, verdicts

LEGACY, SHADOW = Owner.LEGACY, Owner.SHADOW


def test_a_mail_that_legacy_asked_for_and_the_vendor_accepted_matches() -> None:
    assert only(case(LEGACY, seam=[acted(1, mail())], ledger=[mail()])) == ("match", Reason.SAME, ())


def test_a_mail_that_legacy_asked_for_and_the_vendor_never_accepted_is_missing() -> None:
    given = case(LEGACY, seam=[acted(1, mail())], ledger=[], state=Visibility.BEHIND)

    assert only(given) == ("missing", Reason.LEGACY_NOT_IN_LEDGER, ())


def test_legacy_is_judged_without_a_frontier() -> None:
    assert verdicts(case(LEGACY, seam=[acted(1, mail())], ledger=[mail()], state=Visibility.UNKNOWN)) == {100: "match"}


def test_a_mail_of_a_cancellation_that_was_rolled_back_is_an_orphan() -> None:
    given = case(LEGACY, oracle=[mail()], seam=[acted(1, mail())], ledger=[mail(), mail(2, "cancelled")])

    assert verdicts(given) == {100: "match", 200: "orphan"}


def test_a_mail_that_no_event_of_the_order_wanted_is_extra() -> None:
    given = case(LEGACY, version=2, seam=[acted(1, mail()), acted(2)], ledger=[mail(), mail(2, "cancelled")])

    assert verdicts(given) == {100: "match", 200: "extra"}


def test_a_mail_whose_event_is_not_known_is_extra() -> None:
    given = case(LEGACY, seam=[acted(1, mail())], ledger=[mail(), replace(mail(2, "cancelled"), number=0)])

    assert sorted(verdicts(given).values()) == ["extra", "match"]


def test_a_mail_that_legacy_sent_twice_is_a_duplicate() -> None:
    assert verdicts(case(LEGACY, seam=[acted(1, mail())], ledger=[mail(), mail(number=0)])) == {100: "duplicate"}


def test_a_mail_other_than_legacy_asked_for_is_a_mismatch() -> None:
    given = case(LEGACY, seam=[acted(1, mail())], ledger=[mail(to="b")])

    assert only(given) == ("mismatch", Reason.OTHER_FIELDS, ("to",))


def test_where_the_record_was_lost_the_oracle_says_what_the_vendor_must_have() -> None:
    assert verdicts(case(LEGACY, oracle=[mail()], ledger=[mail()])) == {100: "match"}
    assert verdicts(case(LEGACY, oracle=[mail()], ledger=[])) == {100: "missing"}


def test_orders_from_before_the_seams_are_history() -> None:
    assert verdicts(case(LEGACY, epoch=0, oracle=[mail()], ledger=[mail()])) == {}
    assert verdicts(case(LEGACY, epoch=0, rules=DOCUMENT, oracle=[document(1)])) == {}
    assert verdicts(case(LEGACY, epoch=0, oracle=[mail()], seam=[acted(1, mail())], ledger=[])) == {100: "missing"}


def test_a_row_that_was_backfilled_is_held_against_the_oracle() -> None:
    claims = {100: "backfilled"}

    def given(version: int, *actual: Fact, **changes: object) -> dict[int, str]:
        seam = [acted(each, document(each)) for each in range(1, version + 1)]
        known = {"rules": DOCUMENT, "version": version, "oracle": [document(version)], "seam": seam, "claims": claims}
        return verdicts(case(LEGACY, actual=list(actual), **{**known, **changes}))  # type: ignore[arg-type]

    assert given(1, document(1)) == {100: "match"}
    assert given(1, document(1, text="other")) == {100: "mismatch"}
    assert given(1) == {100: "missing"}
    assert given(2, document(1)) == {200: "late"}
    assert given(2) == {200: "late"}
    assert set(given(1, document(2)).values()) == {"late"}
    assert given(1, document(1), claims={100: "applied"}) == {100: "extra"}
    assert given(1, document(1), claims={}) == {100: "extra"}


def test_an_order_on_which_nobody_acted_is_missing() -> None:
    given = case(LEGACY, rules=DOCUMENT, version=2, oracle=[document(2)], seam=[acted(1, document(1))])

    assert only(given) == ("missing", Reason.NOBODY, ())


def test_without_a_ledger_a_witness_confirms_what_legacy_says_that_it_did() -> None:
    given = case(LEGACY, rules=DOCUMENT, oracle=[document(1)], seam=[acted(1, document(1))])

    assert verdicts(given) == {100: "match"}
    assert verdicts(replace(given, legacy=replace(given.legacy, oracle=[]))) == {100: "acted"}
    nothing = case(LEGACY, rules=DOCUMENT, version=2, oracle=[document(1)], seam=[acted(1, document(1)), acted(2)])
    assert verdicts(nothing) == {100: "match", 200: "match"}
    assert verdicts(case(LEGACY, rules=DOCUMENT, oracle=[document(1)], seam=[acted(1)])) == {100: "acted"}


def test_a_hand_back_under_way_is_late_and_a_finished_one_is_a_witness() -> None:
    under_way = case(LEGACY, rules=DOCUMENT, oracle=[document(1)], handed_back="tombstoned")
    unsent = case(LEGACY, oracle=[mail()], ledger=[], claims={100: "tombstone"}, handed_back="tombstoned")
    document_done = case(LEGACY, rules=DOCUMENT, oracle=[document(1)], claims={100: "tombstone"}, handed_back="done")
    mail_done = case(LEGACY, oracle=[mail()], ledger=[], claims={100: "tombstone"}, handed_back="done")

    assert only(under_way) == ("late", Reason.HANDING_BACK, ())
    assert only(unsent) == ("late", Reason.HANDING_BACK, ())
    assert verdicts(document_done) == {}
    assert verdicts(mail_done) == {100: "missing"}


def test_a_claim_of_the_new_side_on_an_order_that_is_not_its_own_is_extra() -> None:
    for owner in (LEGACY, SHADOW):
        given = case(owner, rules=DOCUMENT, claims={100: "applied"})
        assert only(given) == ("extra", Reason.NEW_ACTED, ())


def test_so_is_a_row_without_a_claim() -> None:
    for owner in (LEGACY, SHADOW):
        assert only(case(owner, rules=DOCUMENT, actual=[document(1)])) == ("extra", Reason.NEW_ACTED, ())


def test_a_shadow_that_decides_as_legacy_did_matches() -> None:
    given = case(SHADOW, seam=[acted(1, mail())], recorded=[acted(1, mail())], ledger=[mail()])

    assert only(given) == ("match", Reason.SAME, ())
    assert verdicts(replace(given, ledger=None)) == {100: "match"}


def test_agreeing_on_nothing_is_a_match() -> None:
    assert verdicts(case(SHADOW, rules=DOCUMENT, seam=[acted(1)], recorded=[acted(1)])) == {100: "match"}


def test_a_shadow_that_decides_otherwise_is_a_mismatch() -> None:
    given = case(SHADOW, rules=DOCUMENT, seam=[acted(1, document(1))], recorded=[acted(1, document(1, text="mug"))])

    assert only(given) == ("mismatch", Reason.SHADOW_DIFFERS, ("text",))


def test_the_intents_own_words_count_too() -> None:
    recorded = acted(1, document(1), marks={KIND: "write", TARGET: "other"})
    given = case(SHADOW, rules=DOCUMENT, seam=[acted(1, document(1))], recorded=[recorded])

    assert only(given)[2] == (KIND, TARGET)


def test_a_shadow_without_a_decision_is_missing_or_late_by_the_frontier() -> None:
    for done in (acted(1, mail()), acted(1)):
        assert only(case(SHADOW, seam=[done])) == ("missing", Reason.NOT_RECORDED, ())
        assert only(case(SHADOW, seam=[done], state=Visibility.BEHIND)) == ("late", Reason.BEHIND, ())
        assert only(case(SHADOW, seam=[done], parked=True)) == ("late", Reason.PARKED, ())


def test_a_shadow_that_wants_less_or_more() -> None:
    less = case(SHADOW, rules=DOCUMENT, seam=[acted(1, document(1))], recorded=[acted(1)])
    more = case(SHADOW, rules=DOCUMENT, seam=[acted(1)], recorded=[acted(1, document(1))])

    assert only(less) == ("missing", Reason.SHADOW_WANTS_LESS, ())
    assert only(more) == ("extra", Reason.SHADOW_WANTS_MORE, ())


def test_a_shadow_that_wants_it_twice_is_a_duplicate() -> None:
    given = case(SHADOW, seam=[acted(1, mail())], recorded=[acted(1, mail(), mail(number=101))])

    assert verdicts(given) == {100: "duplicate"}


def test_versions_of_one_order_are_compared_each_on_its_own() -> None:
    both = [acted(1, document(1)), acted(2, document(2))]

    assert verdicts(case(SHADOW, rules=DOCUMENT, version=2, seam=both, recorded=both)) == {100: "match", 200: "match"}
    crossed = [acted(1, document(1)), acted(2, document(2, text="mug"))]
    given = case(SHADOW, rules=DOCUMENT, version=2, seam=both, recorded=crossed)
    assert verdicts(given) == {100: "match", 200: "mismatch"}


def test_an_event_that_legacy_did_not_act_on_is_missing_once_in_the_snapshot() -> None:
    decided = [acted(1, mail()), acted(2, mail(2, "cancelled"))]
    newer = case(SHADOW, version=1, seam=[acted(1, mail())], recorded=decided)

    assert verdicts(case(SHADOW, version=2, seam=[acted(1, mail())], recorded=decided)) == {
        100: "match",
        200: "missing",
    }
    assert verdicts(newer) == {100: "match", 200: "late"}
    assert verdicts(replace(newer, settled=True)) == {100: "match", 200: "extra"}


def test_also_when_only_the_oracle_speaks_of_it() -> None:
    given = case(SHADOW, rules=DOCUMENT, oracle=[document(1)])

    assert only(given) == ("missing", Reason.NOBODY, ())


def test_a_shadow_that_wants_nothing_does_not_hide_that_nobody_acted() -> None:
    given = case(SHADOW, rules=DOCUMENT, oracle=[document(1)], recorded=[acted(1)])

    assert only(given) == ("missing", Reason.NOBODY, ())


def test_a_shadowed_mail_is_held_against_the_ledger_too() -> None:
    given = case(SHADOW, seam=[acted(1, mail())], recorded=[acted(1, mail())], ledger=[])

    assert only(given) == ("missing", Reason.LEGACY_NOT_IN_LEDGER, ())
    assert verdicts(replace(given, ledger=[mail(), mail(number=0)])) == {100: "duplicate"}


def test_what_the_seam_could_not_observe_is_reported() -> None:
    blind = Acted(1, (Fact(REF, 100, 1, {"error": "KeyError", KIND: UNOBSERVED, TARGET: "mailing"}),))

    assert verdicts(case(SHADOW, seam=[blind], recorded=[acted(1, mail())])) == {100: "mismatch"}
    assert verdicts(case(LEGACY, seam=[blind], ledger=[mail()])) == {100: "mismatch"}


def test_rows_that_a_step_writes_beside_its_calls_are_not_the_vendors_business() -> None:
    written = acted(1, mail(template="row"), marks={KIND: "write", TARGET: "mailbox"})

    assert verdicts(case(LEGACY, seam=[written], ledger=[])) == {}


def test_effects_without_an_order_are_orphans() -> None:
    given = case(None, ledger=[mail()], claims={200: "applied", 300: "tombstone"}, actual=[mail(4)])

    assert verdicts(given) == {100: "orphan", 200: "orphan", 400: "orphan"}
    assert {one.owner for one in judge(given)} == {"none"}
    assert verdicts(case(None, seam=[acted(1, mail())])) == {100: "orphan"}


def test_what_a_shadow_would_have_done_is_no_orphan() -> None:
    assert verdicts(case(None, recorded=[acted(1, mail())])) == {}


def test_a_request_under_way_may_still_bring_its_order() -> None:
    assert only(case(None, ledger=[mail()], settled=True, in_flight=True)) == ("late", Reason.IN_FLIGHT, ())


def test_the_gravest_verdict_of_a_number_wins_and_the_others_stay_as_evidence() -> None:
    given = case(SHADOW, seam=[acted(1, mail())], ledger=[mail()], claims={100: "applied"}, state=Visibility.BEHIND)
    (found,) = judge(given)

    assert found.verdict == "extra"
    assert found.evidence["also"] == [f"late: {Reason.BEHIND}"]
