"""The judge against a second opinion: random small worlds with planted faults, and lag of every kind."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.consumer.partitions.lanes import lane_of
from outbox.kafka.port import TopicPartition
from strangler.contexts import Context
from strangler.facts import FINDINGS, Fact, LedgerReader, SubjectFacts, Verdict
from strangler.ownership import Owner, Ownership
from strangler.plan import Check
from strangler.reconcile.canonical import canonical
from strangler.reconcile.compare import judge
from strangler.reconcile.frontier import LaneFrontier, StepFrontier
from strangler.reconcile.judged_step import JudgedStep
from strangler.reconcile.look import Look
from strangler.reconcile.pairing import pair
from strangler.reconcile.second_look import answered
from strangler.reconcile.snapshots import LegacySnapshot, LegacyStep, NewSnapshot
from strangler.reconcile.step_comparison import StepComparison
from strangler.reconcile.subject_evidence import Visibility
from tests.unit.judging import MAIL, REF
from tests.unit.reconcile_world import OF_EVENTS, OF_ROWS, Fault, World

LANES = 4


@st.composite
def worlds(draw: st.DrawFn) -> World:
    version = draw(st.integers(1, 3))
    seen = draw(st.integers(0, version))
    owner, mails = draw(st.sampled_from(Owner)), draw(st.booleans())
    sent = draw(st.integers(0, seen))
    return World(owner, mails, version, seen, sent).live()


@settings(max_examples=1500, deadline=None)
@given(worlds(), st.lists(st.sampled_from(OF_EVENTS), max_size=3), st.none() | st.sampled_from(OF_ROWS))
def test_every_planted_fault_gets_its_class_and_nothing_else_is_said(
    world: World, of_events: list[Fault], of_row: Fault | None
) -> None:
    for version, fault in enumerate(of_events, 1):
        if version <= world.version:
            fault(world, version)
    # On the newest version a row's fault would be outweighed by, or outweigh, one of the event's.
    if of_row is not None and len(of_events) < world.version:
        of_row(world, world.version)
    seen = world.case()
    found = answered(judge(seen), judge(replace(seen, settled=True)), judge(seen))

    assert {one.number: one.verdict.value for one in found} == world.must


@settings(max_examples=500, deadline=None)
@given(worlds())
def test_lag_alone_is_never_a_finding(world: World) -> None:
    assert {one.verdict for one in judge(world.case())} <= {Verdict.MATCH, Verdict.LATE}


@settings(max_examples=300, deadline=None)
@given(worlds(), st.lists(st.sampled_from(OF_EVENTS), max_size=3))
def test_without_a_frontier_nothing_is_ever_called_missing(world: World, faults: list[Fault]) -> None:
    for version, fault in enumerate(faults[: world.version], 1):
        fault(world, version)
    unreached = replace(world.case(), state=Visibility.UNKNOWN, why_unknown="no relay")

    assert {one.verdict for one in judge(unreached)} <= {Verdict.UNKNOWN}


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**LANES - 1), st.sets(st.integers(0, 59)), st.booleans())
def test_any_set_of_passed_lanes_leaves_the_others_late(passed: int, early: set[int], mails: bool) -> None:
    """Orders of passed lanes are done, some of the others too: not one of them is missing."""
    hearing = town(passed, early, mails=mails)
    judged = {one.subject_ref: one for found in hearing.first_look(lambda _: True) for one in found}

    assert not hearing.again
    assert len(judged) == 60
    assert not {one.verdict for one in judged.values()} & FINDINGS
    for order_ref, one in judged.items():
        done = passed >> lane_of(order_ref.encode(), LANES) & 1 or int(order_ref.split("-")[1]) in early
        assert one.verdict is (Verdict.MATCH if done else Verdict.LATE)


def town(passed: int, early: set[int], *, mails: bool) -> StepComparison:
    """Sixty orders of the new side, four lanes, of which the bits of `passed` have passed."""
    refs = [f"order-{number}" for number in range(60)]
    done = [ref for n, ref in enumerate(refs) if passed >> lane_of(ref.encode(), LANES) & 1 or n in early]
    facts = {ref: [Fact(ref, 100, 1, {"template": "placed"})] for ref in refs}
    check = Check(expected=lambda _: [])
    ledger: LedgerReader | None = (lambda _: []) if mails else None
    rules = replace(MAIL, stateful=not mails)
    step = JudgedStep(MAIL.step, Context("c", "g", ("order",)), replace(check, ledger=ledger), rules)
    orders = {ref: SubjectFacts(ref, 1, Ownership(3, {MAIL.step: Owner.NEW}), ref) for ref in refs}
    legacy = LegacySnapshot(orders, {MAIL.step: LegacyStep(facts, {}, {})}, frozenset())
    lanes = [LaneFrontier(Visibility.PASSED if passed >> lane & 1 else Visibility.BEHIND) for lane in range(LANES)]
    frontier = StepFrontier({"t": 1}, {TopicPartition("t", 0): lanes})
    actual = {ref: facts[ref] for ref in done}
    new = NewSnapshot({ref: {100: "applied"} for ref in done}, {}, actual, frozenset())
    return StepComparison(Look(step, legacy, frontier, new, actual if mails else None))


facts = st.lists(
    st.builds(
        lambda name, value: Fact(REF, 0, 0, {"template": name, "value": value}),
        st.sampled_from("ab"),
        st.sampled_from([1, "1", True, 1.0]),
    ),
    max_size=5,
)


@given(facts, facts)
def test_pairing_counts_as_a_naive_count_does(expected: list[Fact], actual: list[Fact]) -> None:
    result = pair(expected, actual, MAIL.identity)
    for name in "ab":
        wanted = Counter(canonical(fact.fields) for fact in expected if fact.fields["template"] == name)
        there = Counter(canonical(fact.fields) for fact in actual if fact.fields["template"] == name)
        both = min(wanted.total(), there.total())
        pairs = [each for each in result.pairs if each.expected.fields["template"] == name]
        equal = (wanted & there).total()
        surplus = there.total() - both

        assert Counter(bool(each.different) for each in pairs) == +Counter({False: equal, True: both - equal})
        assert sum(fact.fields["template"] == name for fact in result.missing) == wanted.total() - both
        assert sum(each.actual.fields["template"] == name for each in result.repeated) == (surplus if wanted else 0)
        assert sum(fact.fields["template"] == name for fact in result.extra) == (0 if wanted else surplus)
