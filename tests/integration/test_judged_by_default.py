"""A plan that says nothing of how its steps are judged: what each stage can know, on real PostgreSQL and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from strangler import Check, Emit, Event, Sql
from strangler.ownership import Owner
from strangler.reconcile.judged_step import JudgedStep
from strangler.step.intents import effect_key
from tests.integration.desks import (
    INDEXING,
    MAILING,
    Desks,
    blind,
    desks,
    indexing,
    mail_of,
    mailing,
    naming_subjects,
    plan_of,
)

pytestmark = pytest.mark.no_kafka
WITNESS = Sql(
    "SELECT subject_ref, 1, email || '@example.invalid' AS to, 12.5::float8 AS cents FROM desks.bookings",
    window="subject_ref",
)


@pytest.fixture
def town(database: str) -> Iterator[Desks]:
    with desks(database) as town:
        yield town


def execute(town: Desks, statement: str) -> None:
    with psycopg.connect(town.dsn) as connection:
        connection.execute(statement)


def test_the_new_side_matches_by_the_vendors_word_and_has_acted_by_its_own(town: Desks) -> None:
    for ref in "ab":
        town.change(ref, Owner.NEW)
    town.act("a", "b")

    assert town.judge() == {
        MAILING: {("a", 100): "match", ("b", 100): "match"},
        INDEXING: {("a", 100): "acted", ("b", 100): "acted"},
    }
    assert town.judge(blind(mailing))[MAILING] == {("a", 100): "acted", ("b", 100): "acted"}
    assert town.judge(blind(mailing), check=Check())[MAILING] == {("a", 100): "acted", ("b", 100): "acted"}


def test_a_witness_makes_a_match_of_what_was_only_done(town: Desks) -> None:
    town.change("a", Owner.NEW)
    town.act("a")

    assert town.judge(blind(mailing), check=Check(expected=WITNESS)) == {MAILING: {("a", 100): "match"}}
    with psycopg.connect(town.dsn) as connection:
        assert [fact.subject_ref for fact in WITNESS(connection, ["a", "z"])] == ["a"]
        assert list(WITNESS(connection, [])) == []


FAULTS = {
    "DELETE FROM notification.effect": (MAILING, "missing"),
    "UPDATE notification.effect SET body = body || '{\"cents\": 13}'": (MAILING, "mismatch"),
    "DELETE FROM notification.claim": (MAILING, "extra"),
    "DELETE FROM search.desk": (INDEXING, "missing"),
    "UPDATE search.desk SET body = body || '{\"seats\": 9}'": (INDEXING, "mismatch"),
    "UPDATE search.desk SET version = 0": (INDEXING, "missing"),
    "DELETE FROM search.claim": (INDEXING, "extra"),
}


@pytest.mark.parametrize("statement", FAULTS)
def test_each_loss_of_its_own_rows_is_found_without_any_witness(town: Desks, statement: str) -> None:
    town.change("a", Owner.NEW)
    town.act("a")
    execute(town, statement)
    step, verdict = FAULTS[statement]

    service = blind(mailing) if step == MAILING else indexing
    assert town.judge(service)[step] == {("a", 100): verdict}


ENDED = {
    "state = 'refused', outcome = '{\"reason\": \"never accepted, key expired\"}'": "missing",
    'state = \'refused\', outcome = \'{"settled_by": "an operator", "reason": "never arrived"}\'': "missing",
    "state = 'refused', outcome = '{\"status\": 550}'": "failed",
    "state = 'unknown', ended_at = NULL, next_attempt_at = 'infinity'": "unknown",
    "state = 'unknown', ended_at = NULL": "late",
}


@pytest.mark.parametrize("ended", ENDED)
def test_only_a_call_that_was_made_has_acted(town: Desks, ended: str) -> None:
    town.change("a", Owner.NEW)
    town.act("a")
    execute(town, f"UPDATE notification.effect SET {ended}")

    assert town.judge(blind(mailing))[MAILING] == {("a", 100): ENDED[ended]}


def test_what_only_a_ledger_shows_is_found_with_one(town: Desks) -> None:
    for ref in ("lost", "twice", "other", "fine"):
        town.change(ref, Owner.NEW)
    town.act("lost", "twice", "other", "fine")
    keys = {ref: effect_key(ref, MAILING, 100) for ref in ("lost", "twice", "other")}
    entries = town.vendor.entries
    entries[:] = [(key, body) for key, body in entries if key not in (keys["lost"], keys["other"])]
    entries += [(keys["twice"], mail_of("twice")), (keys["other"], {"to": "?"}), ("fine:mailing:300", {})]

    assert town.judge(mailing)[MAILING] == {
        ("lost", 100): "missing",
        ("twice", 100): "duplicate",
        ("other", 100): "mismatch",
        ("fine", 100): "match",
        ("fine", 300): "extra",
    }
    assert set(town.judge(blind(mailing))[MAILING].values()) == {"acted"}


def test_an_event_that_was_lost_with_its_claim_is_found_by_the_subjects_own_change(town: Desks) -> None:
    town.change("a", Owner.NEW)
    town.act("a")
    town.change("a", Owner.NEW, 2, type_="Moved")
    town.change("b", Owner.NEW, type_="Renamed")

    found = town.judge()
    assert found[MAILING] == {("a", 100): "match", ("a", 200): "missing"}
    assert found[INDEXING][("a", 200)] == "missing"


def test_an_event_of_its_own_that_was_never_told_is_missing_while_the_outbox_could_have_it(town: Desks) -> None:
    def decide(event: Event) -> list[Emit]:
        return [Emit("DeskCounted", {"ref": event.aggregate_id, "share": 0.5})]

    counting = replace(blind(mailing), decide=decide)
    for ref in "ab":
        town.change(ref, Owner.NEW)
    town.act("a", "b", by=counting)
    lost = "DELETE FROM outbox.outbox WHERE aggregateid = 'a' AND type = 'DeskCounted'"
    acted = {("a", 100): "acted", ("b", 100): "acted"}

    assert town.judge(counting)[MAILING] == acted
    execute(town, "UPDATE notification.claim SET claimed_at = claimed_at + interval '2 hours'")
    assert town.judge(counting)[MAILING] == acted
    execute(town, lost)
    assert town.judge(counting)[MAILING] == {**acted, ("a", 100): "missing"}
    execute(town, "UPDATE notification.claim SET claimed_at = claimed_at - interval '3 hours'")
    assert town.judge(counting)[MAILING] == acted


def test_legacys_records_and_its_processes_say_what_became_of_each_call(town: Desks) -> None:
    """Process 7 lives, process 6 does not."""
    with town.process(7):
        for ref in ("asks", "will"):
            town.change(ref, Owner.LEGACY, process=7)
        for ref in ("died", "lost", "told", "fails", "none"):
            town.change(ref, Owner.LEGACY, process=6)
        for ref in ("asks", "died", "told"):
            town.record(ref, "begun", mailed=ref == "told")
        town.record("fails", "failed")
        town.record("none", "none")
        seen, unseen = town.judge(mailing)[MAILING], town.judge(blind(mailing))[MAILING]

    expected = {("asks", 100): "late", ("will", 100): "late", ("lost", 100): "missing", ("fails", 100): "failed"}
    assert seen == {**expected, ("died", 100): "missing", ("told", 100): "match"}
    assert unseen == {**expected, ("died", 100): "unknown", ("told", 100): "unknown"}
    assert town.judge(blind(mailing))[MAILING][("will", 100)] == "missing"


def test_a_process_that_has_come_since_counts_as_living(town: Desks) -> None:
    with town.process(3):
        pass
    town.change("a", Owner.LEGACY, process=4)
    town.change("b", Owner.LEGACY, process=3)

    assert town.judge(mailing)[MAILING] == {("a", 100): "late", ("b", 100): "missing"}


@pytest.mark.parametrize("owner", [Owner.NEW, Owner.SHADOW])
@pytest.mark.parametrize("has_ledger", [True, False])
def test_what_was_told_before_the_pinning_is_legacys(town: Desks, owner: Owner, *, has_ledger: bool) -> None:
    with town.process(1):
        pass
    for ref in ("done", "lost"):
        town.change(ref, None)
    town.record("done", "done", mailed=True)
    for ref in ("done", "lost"):
        town.change(ref, owner, 2, type_="Renamed")
        town.change(ref, owner, 3, type_="Moved")
        town.act(ref, version=3, owner=owner)

    found = town.judge(mailing if has_ledger else blind(mailing))[MAILING]
    assert found[("done", 100)] == ("match" if has_ledger else "acted")
    assert found[("lost", 100)] == "missing"
    if owner is Owner.NEW:
        assert found[("done", 300)] == ("match" if has_ledger else "acted")


def test_an_entry_without_a_number_answers_the_call_before_the_pinning(town: Desks) -> None:
    town.change("a", None)
    town.record("a", "done")
    town.vendor.entries.append(("theirs", {**mail_of("a"), "booking": "a"}))
    town.change("a", Owner.NEW, 2, type_="Renamed")

    assert town.judge(naming_subjects(mailing))[MAILING][("a", 100)] in ("match", "mismatch")


def test_two_calls_behind_one_seam_are_two_mails(town: Desks) -> None:
    town.change("a", Owner.LEGACY)
    town.record("a", "done", mailed=True)
    town.record("a", "done", call=2, mailed=True)

    assert town.judge(mailing)[MAILING] == {("a", 100): "match", ("a", 101): "match"}
    town.vendor.entries.pop()
    assert town.judge(mailing)[MAILING] == {("a", 100): "match", ("a", 101): "missing"}


def test_beside_a_shadow_two_accounts_agree_or_differ(town: Desks) -> None:
    for ref in ("same", "less"):
        town.change(ref, Owner.SHADOW)
        town.act(ref, owner=Owner.SHADOW)
    town.record("same", "done", mailed=True)
    town.record("less", "none")

    assert town.judge(mailing)[MAILING] == {("same", 100): "match", ("less", 100): "extra"}


def test_what_nobody_confirms_is_named() -> None:
    plan = plan_of(blind(mailing), indexing)

    assert [list(JudgedStep.of(step).without_witness()) for step in plan.steps] == [
        [
            "whether what it decides is right: the check has no `expected`",
            "what mail was really asked: its vendor has no ledger here",
        ],
        ["whether what it decides is right: the check has no `expected`"],
    ]
