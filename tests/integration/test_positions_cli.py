"""`positions show | accept` on a schema whose source broke: looked at, accepted, audited, and the consumer goes on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from outbox.consumer import Metric
from outbox.installation import source_of
from strangler.cli import main
from tests.integration.consumer_rig import QUICK, SCHEMA, Rig, connect_to
from tests.support.waiting import wait_until

SETTINGS = replace(QUICK, broken_s=0.2)
TOLD = ("--actor", "ann", "--reason", "reconciled at noon")


@pytest.fixture
def broken(rig: Rig) -> Rig:
    """The third event stands behind the second one's wrong position."""
    running = rig.runtime(settings=SETTINGS)
    for number, lsn in ((1, 10), (2, 1 << 60), (3, 11)):
        rig.send("order-0", number, lsn=lsn)
    wait_until(lambda: running.count(Metric.SOURCE_BROKEN.value) > 0)
    return rig


def place(rig: Rig) -> str:
    (partition,) = {number for number, _, offset in rig.positions() if offset > 0} or {0}
    return f"{SCHEMA}:{rig.topic}/{partition}"


def test_what_is_accepted_goes_on_and_is_audited(broken: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    where = place(broken)
    assert main(["positions", "show", "--dsn", broken.dsn]) == 0
    assert f"{where}  group {broken.group}  done below" in (listed := capsys.readouterr().out)
    assert "test:1000000000000000:0" in listed

    assert main(["positions", "accept", where, *TOLD, "--dry-run", "--dsn", broken.dsn]) == 0
    assert "would accept whatever comes next" in capsys.readouterr().out
    assert broken.effects() == [("order-0", 1), ("order-0", 2)]

    assert main(["positions", "accept", where, *TOLD, "--json", "--dsn", broken.dsn]) == 0
    (before,) = json.loads(capsys.readouterr().out)["before"]
    assert (before["source"], before["lsn"]) == ("test", 1 << 60)
    wait_until(lambda: broken.effects() == [("order-0", 1), ("order-0", 2), ("order-0", 3)], broken.effects)
    audited = broken.sql("SELECT actor, verb, reason, topic FROM quarantine_audit")
    assert audited == [("ann", "accept", "reconciled at noon", broken.topic)]


def test_a_place_that_is_none_is_refused(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["positions", "accept", f"{SCHEMA}:{rig.topic}/0", *TOLD, "--dsn", rig.dsn]) == 1
    assert "no lane of search knows a source of that partition" in capsys.readouterr().err
    assert main(["positions", "accept", f"nowhere:{rig.topic}/0", *TOLD, "--dsn", rig.dsn]) == 2
    assert "schema 'nowhere' has no positions" in capsys.readouterr().err
    assert main(["positions", "accept", "elsewhere/0", *TOLD, "--dsn", rig.dsn]) == 2
    assert main(["positions", "show", "--context", "nowhere", "--dsn", rig.dsn]) == 2


def test_any_role_may_ask_for_the_source(rig: Rig) -> None:
    with connect_to(rig.dsn) as connection:
        ours = source_of(connection)
        connection.execute("CREATE ROLE nobody_in_particular")
        connection.execute("SET LOCAL ROLE nobody_in_particular")
        assert source_of(connection) == ours
        connection.rollback()


def test_nothing_stored_is_said(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["positions", "show", "--context", SCHEMA, "--dsn", rig.dsn]) == 0
    assert "no consumer has stored a position yet" in capsys.readouterr().out


def test_topics_that_are_missing_are_named_in_the_document_too(
    rig: Rig, bootstrap: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.send("order-0", 1)
    running = rig.runtime()
    wait_until(rig.all_applied, rig.effects)
    running.stop()
    gone = f"{rig.topic}-gone"
    rig.sql(f"UPDATE position SET topic = '{gone}'")
    monkeypatch.setenv("KAFKA_BOOTSTRAP", bootstrap)
    for chosen in ([], ["--topic", gone]):
        assert main(["positions", "show", *chosen, "--json", "--dsn", rig.dsn]) == 1
        assert json.loads(capsys.readouterr().out)["missing_topics"] == [gone]
