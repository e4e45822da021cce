"""Modes in the database and by their verbs: by whom the plan names, for a time, audited, one at a time."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from outbox.told import Told
from strangler import Mode
from strangler.cli import main
from strangler.errors import Refused
from strangler.modes.numbers import numbers_now
from strangler.modes.table import HeldReader, declare, end, history, read_held
from tests.support.context_process import PLAN
from tests.support.services import SERVICES
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka
PEAK = Mode("peak", longest_s=600, declared_by=("ann", "bob"))
QUIET = Mode("quiet", longest_s=600)
ANN = Told("ann", "black friday")


def held(dsn: str) -> str | None:
    with psycopg.connect(dsn) as connection:
        found = read_held(connection)
        return None if found is None else found.mode


def test_a_mode_holds_for_its_time_by_the_databases_clock(database: str) -> None:
    with psycopg.connect(database) as connection:
        assert read_held(connection) is None
        until = declare(connection, PEAK, 2.0, ANN)
        assert not isinstance(until, Refused)
        found = read_held(connection)
        assert found is not None
        assert found.mode == "peak"
        assert 0 < found.for_s <= 2.0
    wait_until(lambda: held(database) is None)
    with psycopg.connect(database) as connection:
        assert end(connection, ANN) is None, "it has ended by itself"
        [made] = history(connection, 10)
    assert (made.mode, made.actor, made.reason, made.holds, made.ended_by) == ("peak", "ann", "black friday", False, "")


def test_who_is_not_named_for_longer_than_it_may_and_beside_another_is_refused(database: str) -> None:
    with psycopg.connect(database) as connection:
        said = [
            declare(connection, PEAK, 60, Told("eve", "fun")),
            declare(connection, PEAK, 601, ANN),
        ]
        declare(connection, PEAK, 60, ANN)
        said.append(declare(connection, QUIET, 60, ANN))
    assert [one.reason if isinstance(one, Refused) else one for one in said] == [
        "eve may not declare peak",
        "peak holds for 600 s at most",
        "peak holds, and one mode does at a time",
    ]
    assert held(database) == "peak"


def test_declared_again_it_ends_anew_and_both_stand_in_the_audit(database: str) -> None:
    with psycopg.connect(database) as connection:
        declare(connection, PEAK, 60, ANN)
        declare(connection, PEAK, 600, Told("bob", "it goes on"))
        second, first = history(connection, 10)
    assert (first.holds, first.ended_by, first.ended_for) == (False, "bob", "declared again: it goes on")
    assert (second.holds, second.ended_by) == (True, "")
    assert (second.until - second.declared_at).total_seconds() == pytest.approx(600, abs=1)


def test_two_at_once_are_one_also_where_a_transaction_sees_what_was_before_it(database: str) -> None:
    repeatable = "SET default_transaction_isolation = 'repeatable read'"
    said = list[object]()
    with psycopg.connect(database) as first, psycopg.connect(database) as second, psycopg.connect(database) as looks:
        for one in (first, second):
            one.execute(repeatable)
            one.commit()
        declare(first, PEAK, 60, ANN)
        declares = threading.Thread(target=lambda: said.append(declare(second, QUIET, 60, ANN)), daemon=True)
        declares.start()
        looks.autocommit = True
        waits = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        wait_until(lambda: looks.execute(waits, [second.info.backend_pid]).fetchone() is not None)
        first.commit()
        declares.join()
    assert [one.reason for one in said if isinstance(one, Refused)] == ["peak holds, and one mode does at a time"]
    assert held(database) == "peak"


def test_in_autocommit_it_is_one_transaction_too(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        declare(connection, PEAK, 60, ANN)
        assert held(database) == "peak"
        assert end(connection, ANN) == "peak"


def test_a_contexts_numbers_are_those_of_the_mode(database: str) -> None:
    policy = SERVICES["fraud"].policy
    with psycopg.connect(database) as connection:
        assert numbers_now(connection, policy) == {"review_from": 60}
        declare(connection, PEAK, 60, ANN)
        assert numbers_now(connection, policy) == {"review_from": 75}
        end(connection, ANN)
        assert numbers_now(connection, policy) == {"review_from": 60}


def test_a_reader_connects_again_after_its_connection_broke(database: str) -> None:
    made: list[psycopg.Connection[Any]] = []

    def connect() -> psycopg.Connection[Any]:
        made.append(psycopg.connect(database, autocommit=True))
        return made[-1]

    reader = HeldReader(connect)
    assert reader() is None
    made[0].close()
    with pytest.raises(psycopg.OperationalError):
        reader()
    assert reader() is None
    assert len(made) == 2
    reader.close()


@pytest.fixture
def verbs(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRANGLER_PLAN", str(PLAN))
    monkeypatch.setenv("STRANGLER_DSN", database)


def said(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*argv, "--json"]) == code
    out = capsys.readouterr().out
    return dict(json.loads(out)) if out else {}


AUDIT = ("--actor", "operations", "--reason", "black friday")


@pytest.mark.usefixtures("verbs")
def test_the_verbs_declare_show_and_end_it(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    tried = said(capsys, "mode", "declare", "peak", "--for", "2h", *AUDIT, "--dry-run")
    assert (tried["dry_run"], held(database)) == (True, None)
    made = said(capsys, "mode", "declare", "peak", "--for", "2h", *AUDIT)
    assert held(database) == "peak"
    changed = {(one["where"], one["term"]): (one["usually"], one["meanwhile"]) for one in made["changes"]}
    assert changed == {
        ("admission", "browse.deadline_s"): ("5", "2"),
        ("admission", "browse.floor"): ("0.02", "0.01"),
        ("admission", "browse.quota_per_s"): ("none", "5"),
        ("bulk", "begins"): ("while no context is behind", "not at all"),
        ("fraud", "numbers.review_from"): ("60", "75"),
        ("notification", "calls_per_s of each vendor"): ("as ever", "20 at most"),
        ("recommendation", "sampling.keep"): ("0.25", "0.1"),
        ("recommendation", "sampling.above_s"): ("600", "60"),
    }
    assert said(capsys, "mode", "show", "peak")["modes"][0]["changes"] == made["changes"]
    listed = said(capsys, "mode", "list")
    assert (listed["holds"]["mode"], listed["modes"][0]["name"]) == ("peak", "peak")
    assert listed["history"][0]["actor"] == "operations"
    assert said(capsys, "mode", "end", *AUDIT) == {"mode": "peak", "dry_run": False}
    assert held(database) is None


@pytest.mark.usefixtures("verbs")
def test_the_verbs_refuse_with_the_next_step(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mode", "end", *AUDIT]) == 1
    assert "refused: no mode holds" in capsys.readouterr().err
    assert main(["mode", "declare", "peak", "--for", "2h", "--actor", "eve", "--reason", "fun"]) == 1
    assert "eve may not declare peak; ask one who may: operations" in capsys.readouterr().err
    assert main(["mode", "declare", "rush", "--for", "2h", *AUDIT]) == 2
    assert "has no mode 'rush'; it has: peak" in capsys.readouterr().err
    assert main(["mode", "declare", "peak", "--for", "2", *AUDIT]) == 2
    assert "give 90s, 30m, 2h or 1d" in capsys.readouterr().err
    assert held(database) is None
