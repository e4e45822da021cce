"""Each kind of fault that the toolkit plants is found, as what it is, without a word of the plan."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from strangler import Rows
from strangler.errors import BadInput, RefusedError
from strangler.ownership import Owner
from strangler.planting import KINDS, Planted, opened, plant
from strangler.service.declaration import Service
from strangler.step.intents import Json
from tests.integration import desks as desks_module
from tests.integration.contexts import connect
from tests.integration.desks import INDEXING, MAILING, Desks, blind, desks, indexing, mailing

pytestmark = pytest.mark.no_kafka
REFS = ("a", "b", "c")


@pytest.fixture
def town(database: str) -> Iterator[Desks]:
    """Three bookings of the new side, three of its shadow."""
    with desks(database) as town:
        for ref in REFS:
            town.change(ref, Owner.NEW)
            town.change(f"s-{ref}", Owner.SHADOW)
            town.record(f"s-{ref}", "done", mailed=True)
            town.record(f"s-{ref}", "done", step=INDEXING)
        town.act(*REFS)
        town.act(*(f"s-{ref}" for ref in REFS), owner=Owner.SHADOW)
        yield town


def environ(town: Desks) -> dict[str, str]:
    return {"STRANGLER_DSN": town.dsn, "MAIL_URL": town.url}


def planted(town: Desks, kind: str, service: Service, seed: int = 3) -> Planted:
    with opened(service, environ(town), seed=seed) as world:
        return plant(kind, world)


def findings(town: Desks, service: Service) -> dict[tuple[str, int], str]:
    found = town.judge(service)[service.name]
    return {key: verdict for key, verdict in found.items() if verdict not in ("match", "acted")}


OF_MAILING = ("dropped_effect", "altered_effect", "doubled_effect", "dropped_claim", "dropped_intent", "altered_intent")
CASES = [
    *((kind, mailing, mailing) for kind in OF_MAILING),
    *((kind, mailing, blind(mailing)) for kind in OF_MAILING),
    *((kind, indexing, indexing) for kind in ("dropped_row", "altered_row", "dropped_claim")),
]


@pytest.mark.parametrize(("kind", "struck", "judged"), CASES)
def test_it_is_found_for_what_it_is_and_nothing_else_is(
    town: Desks, kind: str, struck: Service, judged: Service
) -> None:
    """With and without the vendor's ledger."""
    assert findings(town, judged) == {}
    done = planted(town, kind, struck)

    assert findings(town, judged) == {(done.subject_ref, done.number): done.expected_verdict}
    assert (done.kind, done.step) == (kind, struck.name)


def test_one_more_entry_at_the_vendor_is_found_where_its_body_tells_whose_it_is(town: Desks) -> None:
    with pytest.raises(RefusedError, match="declare its `ledger_subject`"):
        planted(town, "doubled_entry", mailing)
    told = desks_module.naming_subjects(mailing)
    town.change("d", Owner.NEW)
    town.act("d", by=told)
    with opened(told, environ(town), subject_ref="d") as world:
        done = plant("doubled_entry", world)

    assert (done.subject_ref, done.number, done.expected_verdict) == ("d", 100, "duplicate")
    assert findings(town, told) == {("d", 100): "duplicate"}


LIKE_A = """
INSERT INTO claim SELECT (jsonb_populate_record(claim, %s)).* FROM claim
WHERE subject_ref = 'a' AND step = %s"""


@pytest.mark.parametrize(("struck", "schema"), [(mailing, "notification"), (indexing, "search")])
@pytest.mark.parametrize("other", [{"subject_ref": "traceless"}, {"number": 101}])
def test_a_claim_whose_loss_nobody_could_see_is_not_dropped(
    town: Desks, struck: Service, schema: str, other: dict[str, Json]
) -> None:
    """It has left no call and no row under its number, or another claim of its version covers what was done."""
    with connect(town.dsn, schema) as connection:
        connection.execute(LIKE_A, [json.dumps(other), struck.name])
    ref = str(other.get("subject_ref", "a"))
    with opened(struck, environ(town), subject_ref=ref) as world, pytest.raises(RefusedError, match=ref):
        plant("dropped_claim", world)


def test_a_row_is_altered_where_the_judge_reads_it(town: Desks) -> None:
    """Beside a body that is kept whole nobody reads a column."""
    with psycopg.connect(town.dsn) as connection:
        connection.execute("ALTER TABLE search.desk ADD COLUMN seats bigint NOT NULL DEFAULT 7")
    rows = Rows("desk", "ref", {"version": "bigint", "seats": "bigint", "body": "jsonb"})
    wide = replace(indexing, writes=rows)
    done = planted(town, "altered_row", wide)
    assert findings(town, wide) == {(done.subject_ref, done.number): "mismatch"}


def test_every_kind_is_tried() -> None:
    assert {kind for kind, _, _ in CASES} | {"doubled_entry"} == set(KINDS)


def test_what_cannot_be_planted_is_refused(town: Desks) -> None:
    with pytest.raises(BadInput, match="no fault is called 'fire'"):
        planted(town, "fire", mailing)
    with pytest.raises(RefusedError, match="keeps no Rows"):
        planted(town, "dropped_row", mailing)
    with opened(mailing, environ(town), subject_ref="nobody") as world, pytest.raises(RefusedError, match="'nobody'"):
        plant("dropped_effect", world)


def test_the_verb_says_what_it_would_spoil_and_wants_a_reason(town: Desks, tmp_path: Path) -> None:
    verb = ["dropped_effect", "--seed", "3"]
    unsaid = run_verb(town, tmp_path, *verb)
    assert (unsaid.returncode, "--reason" in unsaid.stderr) == (2, True)
    tried = run_verb(town, tmp_path, *verb, "--reason", "drill", "--dry-run")
    assert findings(town, mailing) == {}
    done = run_verb(town, tmp_path, *verb, "--reason", "drill")
    would, did = json.loads(tried.stdout), json.loads(done.stdout)
    assert (would.pop("dry_run"), did.pop("dry_run")) == (True, False)
    assert would == did
    assert did["reason"] == "drill"
    assert findings(town, mailing) == {(did["subject_ref"], did["number"]): "missing"}


def test_a_dry_run_asks_no_vendor_and_holds_no_claim(town: Desks, tmp_path: Path) -> None:
    held = run_verb(town, tmp_path, "stuck_event", "--ref", "coming", "--reason", "drill", "--dry-run")
    assert (held.returncode, json.loads(held.stdout)["expected_verdict"]) == (0, "late")
    before = list(town.vendor.entries)
    told = desks_module.naming_subjects(mailing)
    with opened(told, environ(town), seed=3, dry_run=True) as world:
        assert plant("doubled_entry", world).expected_verdict == "duplicate"
    assert town.vendor.entries == before


def run_verb(town: Desks, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    plan = folder / "plan.py"
    plan.write_text("from tests.integration.desks import plan\n")
    with psycopg.connect(town.dsn) as connection:
        name = connection.info.dbname
    argv = [sys.executable, "-m", "strangler", "plant", *arguments, "--step", MAILING, "--json"]
    argv += [] if "--database" in arguments else ["--database", name]
    env = {**os.environ, **environ(town), "STRANGLER_PLAN": str(plan)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_verb_spoils_only_the_database_that_is_named(town: Desks, tmp_path: Path) -> None:
    wrong, right = (
        run_verb(town, tmp_path, "dropped_effect", "--reason", "drill", *database)
        for database in (["--database", "production"], [])
    )

    assert (wrong.returncode, right.returncode) == (2, 0), wrong.stderr + right.stderr
    assert "nothing was spoilt" in wrong.stderr
    said = json.loads(right.stdout)
    assert findings(town, mailing) == {(said["subject_ref"], said["number"]): "missing"}
