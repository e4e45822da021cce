"""Stages as pure rules: who owns an order, which moves are allowed, how to undo them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from strangler.errors import Refused
from strangler.ownership import BUCKETS, Owner, Ownership
from strangler.stages import (
    ORDER,
    PLACE,
    Move,
    Stage,
    StageRow,
    StageTable,
    ownership_for,
    percent,
    plan_move,
    stage_of,
)
from strangler.undo import undo_of

stages = st.sampled_from(Stage)
ramps = st.integers(0, BUCKETS)
names = st.from_regex(r"[a-z][a-z0-9_]{0,11}", fullmatch=True).filter(lambda name: name != "epoch")
salts = st.text("0123456789abcdef", min_size=4, max_size=16)


def row(stage: Stage, ramp_bp: int = 0, salt: str = "5a17") -> StageRow:
    return StageRow("search", stage, ramp_bp, salt)


@st.composite
def rows(draw: st.DrawFn, stage: st.SearchStrategy[Stage] = stages) -> StageRow:
    at = draw(stage)
    return row(at, draw(ramps) if at is Stage.RAMP else 0)


@given(order_ref=st.text(min_size=1), salt=salts, small=ramps, large=ramps)
def test_a_smaller_cohort_lies_inside_a_larger_one(order_ref: str, salt: str, small: int, large: int) -> None:
    small, large = sorted((small, large))

    if row(Stage.RAMP, small, salt).owner_of(order_ref) is Owner.NEW:
        assert row(Stage.RAMP, large, salt).owner_of(order_ref) is Owner.NEW


@given(salt=salts, ramp_bp=st.sampled_from([0, 500, 2_500, 9_000, BUCKETS]))
def test_a_ramp_takes_about_its_share(salt: str, ramp_bp: int) -> None:
    taken = sum(row(Stage.RAMP, ramp_bp, salt).owner_of(f"order-{number}") is Owner.NEW for number in range(2_000))

    assert abs(taken / 2_000 - ramp_bp / BUCKETS) < 0.06


@given(order_ref=st.text(min_size=1), ramp_bp=ramps)
def test_what_is_not_new_on_the_ramp_is_shadow(order_ref: str, ramp_bp: int) -> None:
    assert row(Stage.RAMP, ramp_bp).owner_of(order_ref) in (Owner.NEW, Owner.SHADOW)
    assert row(Stage.RAMP, 0).owner_of(order_ref) is Owner.SHADOW
    assert row(Stage.RAMP, BUCKETS).owner_of(order_ref) is Owner.NEW


def test_each_other_stage_has_one_owner() -> None:
    owners = {stage: row(stage).owner_of("order-1") for stage in Stage if stage is not Stage.RAMP}

    assert owners == {
        Stage.LEGACY: Owner.LEGACY,
        Stage.SHADOW: Owner.SHADOW,
        Stage.LIVE: Owner.NEW,
        Stage.RETIRED: Owner.NEW,
    }


@given(
    epoch=st.integers(0, 10**12),
    table=st.dictionaries(names, st.tuples(stages, ramps, salts), max_size=6),
    order_ref=st.text(min_size=1),
)
def test_ownership_survives_its_header(epoch: int, table: dict[str, tuple[Stage, int, str]], order_ref: str) -> None:
    rows = [StageRow(name, stage, bp, salt) for name, (stage, bp, salt) in table.items()]

    pinned = ownership_for(StageTable(epoch, rows), order_ref)

    assert Ownership.from_header(pinned.to_header()) == pinned
    assert {row.step: pinned.of(row.step) for row in rows} == {row.step: row.owner_of(order_ref) for row in rows}


@given(at=rows(), to=stages, ramp_bp=st.one_of(st.none(), st.integers(-1, BUCKETS + 1)))
def test_only_neighbours_and_the_ramp_itself_are_reached(at: StageRow, to: Stage, ramp_bp: int | None) -> None:
    neighbour = abs(PLACE[to] - PLACE[at.stage]) == 1 and at.stage is not Stage.RETIRED
    another_ramp = at.stage is to is Stage.RAMP and ramp_bp != at.ramp_bp
    sound = (ramp_bp is None) if to is not Stage.RAMP else (ramp_bp is not None and 0 <= ramp_bp <= BUCKETS)

    planned = plan_move(at, to, ramp_bp)

    if (neighbour or another_ramp) and sound:
        assert planned == Move("search", at.stage, to, at.ramp_bp, ramp_bp or 0)
    else:
        assert isinstance(planned, Refused)
        assert planned.reason
        assert planned.next_step


def test_a_refusal_names_the_stage_between() -> None:
    assert plan_move(row(Stage.LEGACY), Stage.LIVE) == Refused(
        "search is legacy; live is not its neighbour", "go to shadow first"
    )
    assert plan_move(row(Stage.LIVE), Stage.LEGACY) == Refused(
        "search is live; legacy is not its neighbour", "go to ramp first"
    )


def test_a_stage_of_a_newer_release_counts_as_legacy() -> None:
    assert stage_of("canary") is Stage.LEGACY
    assert [stage_of(stage.value) for stage in ORDER] == list(ORDER)


def test_percent_reads_as_typed() -> None:
    assert [percent(bp) for bp in (0, 1, 250, 2_500, BUCKETS)] == ["0%", "0.01%", "2.5%", "25%", "100%"]


def test_undo_leads_back_over_the_same_stages() -> None:
    def undone(*moves: tuple[Stage, int, Stage, int]) -> str:
        return undo_of([Move("search", begun, ended, bp, to_bp) for begun, bp, ended, to_bp in moves])

    assert undone((Stage.LEGACY, 0, Stage.SHADOW, 0)) == "strangler rollback search --reason ..."
    assert undone((Stage.RAMP, 2_500, Stage.LIVE, 0)) == (
        "strangler rollback search --reason ... && strangler advance search --to ramp --ramp 25% --reason ..."
    )
    assert undone((Stage.RAMP, 500, Stage.RAMP, 900)) == "strangler advance search --to ramp --ramp 5% --reason ..."
    assert undone((Stage.LIVE, 0, Stage.RAMP, 0)) == "strangler advance search --to live --reason ..."
    assert undone((Stage.LIVE, 0, Stage.RAMP, 0), (Stage.RAMP, 0, Stage.SHADOW, 0)) == (
        "strangler advance search --to ramp --ramp 0% --reason ... && strangler advance search --to live --reason ..."
    )
    assert undone((Stage.LIVE, 0, Stage.RETIRED, 0)) == "no way back from retired"
