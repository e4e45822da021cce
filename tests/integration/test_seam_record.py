"""What a seam writes: through every driver, in one round trip, and never at the cost of the caller's transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from outbox.speaking import execute
from strangler.ownership import Owner
from strangler.seam.observation import Observation
from strangler.seam.record import SeamCall, SeamState, record
from tests.integration.contexts import rows
from tests.support.callers import CALLERS, Opened
from tests.support.logs import lines_of
from tests.support.round_trips import counting_round_trips

CALL = SeamCall("o1", 1, "mail", Owner.LEGACY, 3)
SEEN = Observation('{"n": 1}', '{"ok": true}', '[{"kind": "call"}]')
OTHERS = Observation('{"n": 2}', None, "[]")
ALL = "SELECT call, state FROM strangler.seam_record ORDER BY call"


@pytest.fixture(params=list(CALLERS.values()), ids=list(CALLERS))
def opened(request: pytest.FixtureRequest) -> Opened:
    found: Opened = request.param
    return found


def test_what_cannot_be_written_leaves_the_transaction_usable(
    toolkit: str, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(toolkit, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n integer)")
        connection.execute("ALTER TABLE strangler.seam_record ADD CHECK (version <> 7)")
    holder = psycopg.connect(toolkit)
    record(
        holder, replace(CALL, version=9, number=1), SeamState.DONE, SEEN
    )  # not committed: who wants the same row waits
    with opened(toolkit) as caller:
        execute(caller, "INSERT INTO kept VALUES (%s)", (1,))
        assert record(caller, CALL, SeamState.DONE, replace(SEEN, intents="no JSON")) is None
        assert record(caller, CALL, SeamState.DONE, replace(SEEN, intents='["\\u0000"]')) is None
        assert record(caller, replace(CALL, subject_ref="a\0b"), SeamState.DONE, SEEN) is None
        assert record(caller, replace(CALL, subject_ref="a\ud800"), SeamState.DONE, SEEN) is None
        assert record(caller, replace(CALL, version=7), SeamState.DONE, SEEN) is None
        execute(caller, "SELECT set_config('statement_timeout', %s, true)", ("100",))
        assert record(caller, replace(CALL, version=9, number=1), SeamState.DONE, SEEN) is None
        execute(caller, "SELECT set_config('statement_timeout', %s, true)", ("0",))
        assert record(caller, CALL, SeamState.DONE, SEEN) == 1
        caller.commit()
    holder.rollback()
    holder.close()
    assert rows(toolkit, "TABLE kept") == [(1,)]
    assert rows(toolkit, ALL) == [(1, "done")]
    states = [(one.message, one.__dict__["sqlstate"]) for one in lines_of(caplog, "strangler.seam")]
    assert states == [("seam_record_failed", state) for state in ("22P02", "22P05", None, None, "23514", "57014")]


@pytest.mark.parametrize("bad", [{"number": 101}, {"number": 0}, {"owner": Owner.NEW}])
def test_a_call_that_no_seam_could_have_made_is_refused(
    toolkit: str, bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(toolkit) as caller:
        assert record(caller, replace(CALL, **bad), SeamState.DONE, SEEN) is None
        with pytest.raises(psycopg.errors.CheckViolation):
            caller.execute("INSERT INTO strangler.seam_record VALUES ('o1', 'mail', 1, 1, 'over')")
    assert [one.__dict__["sqlstate"] for one in lines_of(caplog, "strangler.seam")] == ["23514"]


def test_a_lock_that_somebody_holds_is_waited_for_two_seconds(toolkit: str) -> None:
    with psycopg.connect(toolkit) as holder, psycopg.connect(toolkit) as caller:
        record(holder, CALL, SeamState.DONE, SEEN)
        assert record(caller, CALL, SeamState.DONE, SEEN) is None
        holder.rollback()
        assert record(caller, CALL, SeamState.DONE, SEEN) == 1


SHADOWS = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.never(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil ran'; END $$;
CREATE FUNCTION evil.joined(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil ran'; END $$;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil ran'; END $$;
CREATE OPERATOR evil.= (FUNCTION = evil.never, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil.<> (FUNCTION = evil.never, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil.|| (FUNCTION = evil.joined, LEFTARG = text, RIGHTARG = text);
CREATE DOMAIN evil.jsonb AS text CHECK (VALUE IS NULL);
CREATE DOMAIN evil.text AS pg_catalog.text CHECK (VALUE IS NULL);
SET search_path = evil, pg_catalog"""


@pytest.mark.parametrize("state", list(SeamState))
def test_what_the_caller_calls_by_the_same_names_never_runs_with_the_owners_rights(
    toolkit: str, state: SeamState
) -> None:
    with psycopg.connect(toolkit) as caller:
        caller.execute(SHADOWS)
        for written in (SEEN, OTHERS, replace(SEEN, intents="no JSON")):
            record(caller, CALL, state, written)
        found = caller.execute(ALL).fetchall()
    assert found == [(1, state.value), (2, state.value)][: 1 if state is SeamState.NONE else 2]


def test_a_record_is_one_round_trip(toolkit: str, opened: Opened) -> None:
    with counting_round_trips(toolkit) as (trips, counted), opened(counted) as caller:
        record(caller, CALL, SeamState.DONE, SEEN)  # whoever connects or begins says more
        before = trips.count
        record(caller, CALL, SeamState.DONE, SEEN)
        assert trips.count - before == 1


def test_a_call_is_begun_and_ended(toolkit: str) -> None:
    with psycopg.connect(toolkit) as caller:
        assert record(caller, CALL, SeamState.BEGUN, replace(SEEN, outcome=None, intents=None)) == 1
        assert execute(caller, "SELECT state, ended_at FROM strangler.seam_record", ()) == [("begun", None)]
        assert record(caller, CALL, SeamState.BEGUN, OTHERS) == 2
        assert record(caller, replace(CALL, number=1), SeamState.DONE, SEEN) == 1
        assert record(caller, replace(CALL, number=2), SeamState.FAILED) == 2
    kept = rows(
        toolkit, "SELECT call, state, inputs, outcome, intents, ended_at > recorded_at FROM strangler.seam_record"
    )
    assert sorted(kept) == [
        (1, "done", {"n": 1}, {"ok": True}, [{"kind": "call"}], True),
        (2, "failed", {"n": 2}, None, [], True),
    ]


def test_a_call_that_failed_is_made_again_under_its_number_when_the_same_is_asked_for(toolkit: str) -> None:
    with psycopg.connect(toolkit) as caller:
        record(caller, replace(CALL, number=1), SeamState.FAILED, SEEN)
        assert record(caller, CALL, SeamState.BEGUN, OTHERS) == 2
        assert record(caller, CALL, SeamState.BEGUN, SEEN) == 1
        assert record(caller, CALL, SeamState.BEGUN, SEEN) == 3  # the first is under way
    assert rows(toolkit, ALL) == [(1, "begun"), (2, "begun"), (3, "begun")]


def test_a_call_whose_process_is_gone_is_made_again_under_its_number(toolkit: str) -> None:
    with psycopg.connect(toolkit) as caller, psycopg.connect(toolkit) as alive:
        alive.execute("SELECT pg_advisory_lock(21332, 5)")
        assert record(caller, replace(CALL, process=5), SeamState.BEGUN, SEEN) == 1
        assert record(caller, replace(CALL, process=6), SeamState.BEGUN, SEEN) == 2
        alive.execute("SELECT pg_advisory_unlock(21332, 5)")
        assert record(caller, replace(CALL, process=6), SeamState.BEGUN, SEEN) == 1


def test_nothing_due_is_said_once_and_yields_to_a_call(toolkit: str) -> None:
    with psycopg.connect(toolkit) as caller:
        record(caller, CALL, SeamState.NONE)
        record(caller, CALL, SeamState.NONE)
        assert record(caller, CALL, SeamState.BEGUN, SEEN) == 1
        record(caller, CALL, SeamState.NONE)
    assert rows(toolkit, ALL) == [(1, "begun")]


def test_a_record_that_must_join_is_refused_by_a_connection_that_commits_by_itself(
    toolkit: str, caplog: pytest.LogCaptureFixture
) -> None:
    with psycopg.connect(toolkit, autocommit=True) as connection:
        assert record(connection, CALL, SeamState.DONE, SEEN) is None
        assert record(connection, CALL, SeamState.DONE, SEEN, joins=False) == 1
    assert [one.__dict__["error"] for one in lines_of(caplog, "strangler.seam")] == ["NoTransaction"]
