"""`outbox relay | partitions | status`: what is refused, how it is said, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from outbox import append
from strangler.local.stack import Stack
from tests.support.relay_rig import WITHIN_S, RelayRig, order_event
from tests.support.waiting import wait_until

Outbox = Callable[..., "subprocess.CompletedProcess[str]"]

# A slot that falls behind by a segment is thrown away at the next checkpoint.
FORGET_SLOTS = ("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", "SELECT pg_reload_conf()")
KEEP_SLOTS = ("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")
FILL_A_SEGMENT = ("CREATE TABLE IF NOT EXISTS filler (x int)", "SELECT pg_switch_wal()", "CHECKPOINT")
DROP_PARTITIONS = """
SELECT format('DROP TABLE %s', inhrelid::regclass) FROM pg_inherits WHERE inhparent = 'outbox.outbox'::regclass"""


@pytest.fixture
def rig(stack: Stack, database: str, topic_prefix: str) -> Iterator[RelayRig]:
    rig = RelayRig.prepare(stack, database, topic_prefix)
    yield rig
    rig.end()


@pytest.fixture
def outbox(rig: RelayRig) -> Outbox:
    """Runs a verb in the rig's environment, changed by keywords."""

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **rig.environ(), **environ}
        argv = [sys.executable, "-m", "outbox", *arguments]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=WITHIN_S, check=False)

    return run


@pytest.fixture
def forgetful_server(rig: RelayRig) -> Iterator[None]:
    execute(rig, *FORGET_SLOTS)
    yield
    execute(rig, *KEEP_SLOTS)


def execute(rig: RelayRig, *statements: str) -> None:
    with rig.connect(autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def data(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def test_partitions_says_what_it_made_and_how_to_undo_it(rig: RelayRig, outbox: Outbox) -> None:
    with rig.connect(autocommit=True) as connection:
        for (drop,) in connection.execute(DROP_PARTITIONS).fetchall():
            connection.execute(drop)

    planned = outbox("partitions", "--days-ahead", "3", "--dry-run", "--json")
    assert (planned.returncode, data(planned)["dry_run"], len(data(planned)["made"])) == (0, True, 5)
    short = outbox("status", "--json")
    assert (short.returncode, data(short)["partitions_ahead_days"]) == (1, -1)

    made = outbox("partitions", "--days-ahead", "3")
    assert made.returncode == 0
    assert made.stdout.count("undo: DROP TABLE outbox.outbox_") == 5
    assert data(outbox("partitions", "--days-ahead", "3", "--json")) == {"made": [], "days_ahead": 3, "dry_run": False}


def test_status_tells_a_missing_a_running_and_an_idle_relay(rig: RelayRig, outbox: Outbox) -> None:
    missing = outbox("status", "--json")
    assert (missing.returncode, data(missing)["exists"]) == (1, False)
    assert "there is no slot" in data(missing)["findings"][0]

    relay = rig.start()
    rig.wait_confirmed()
    running = outbox("status", "--json")
    assert (running.returncode, data(running)["findings"], data(running)["active"]) == (0, [], True)
    assert data(running)["lag_bytes"] < 1_000_000
    assert data(running)["confirmed_lsn"].count("/") == 1

    assert relay.terminate(60) == 0
    wait_until(lambda: outbox("status").returncode == 1, within_s=WITHIN_S)
    assert "nobody reads slot" in outbox("status").stdout


@pytest.mark.parametrize(
    ("environ", "code", "said"),
    [
        ({"OUTBOX_SLOTT": "x"}, 2, "unknown setting OUTBOX_SLOTT; did you mean OUTBOX_SLOT"),
        ({"KAFKA_BOOTSTRAP": ""}, 2, "KAFKA_BOOTSTRAP is not set"),
        ({"OUTBOX_PUBLICATION": "nobodys"}, 2, "there is no publication 'nobodys'"),
        ({"STRANGLER_DSN": "postgresql://app:s3cret@127.0.0.1:1/x"}, 3, "PostgreSQL does not answer"),
        ({"KAFKA_BOOTSTRAP": "127.0.0.1:1"}, 3, "no Kafka at 127.0.0.1:1"),
    ],
)
def test_a_relay_that_cannot_start_says_why_and_ends(
    outbox: Outbox, environ: dict[str, str], code: int, said: str
) -> None:
    done = outbox("relay", OUTBOX_START_WITHIN_S="1", **environ)

    assert done.returncode == code
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr
    assert done.stdout == ""


def test_a_new_slot_after_events_is_refused_until_they_are_given_up(rig: RelayRig, outbox: Outbox) -> None:
    with rig.connect() as connection:
        append(connection, order_event("too-early", 1))

    refused = outbox("relay")
    assert (refused.returncode, data(outbox("status", "--json"))["exists"]) == (2, False)
    assert "start once with OUTBOX_SKIP_EXISTING=1" in refused.stderr

    rig.start(OUTBOX_SKIP_EXISTING="1")
    with rig.connect() as connection:
        append(connection, order_event("after", 1))
    assert [one.event.aggregate_id for one in rig.wait_published(1)] == ["after"]


def test_a_publication_that_shows_partitions_by_their_own_names_is_refused(rig: RelayRig, outbox: Outbox) -> None:
    execute(rig, "ALTER PUBLICATION outbox SET (publish_via_partition_root = false)")

    refused = outbox("relay")
    assert refused.returncode == 2
    assert "publish_via_partition_root = true" in refused.stderr


def test_a_slot_of_another_plugin_is_refused(rig: RelayRig, outbox: Outbox) -> None:
    with rig.connect(autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", (rig.slot,))

    refused = outbox("relay")
    assert refused.returncode == 2
    assert "plugin 'test_decoding'" in refused.stderr


@pytest.mark.usefixtures("forgetful_server")
def test_a_lost_slot_is_refused_and_never_made_anew(rig: RelayRig, outbox: Outbox) -> None:
    rig.start().terminate()

    def is_lost() -> bool:
        execute(rig, *FILL_A_SEGMENT, "DROP TABLE filler")
        return bool(data(outbox("status", "--json"))["wal_status"] == "lost")

    wait_until(is_lost, within_s=WITHIN_S)
    refused = outbox("relay")
    assert refused.returncode == 2
    assert "is lost: the server threw away WAL that was never published" in refused.stderr
    assert any("is lost" in finding for finding in data(outbox("status", "--json"))["findings"])


def test_help_names_every_variable(outbox: Outbox) -> None:
    said = outbox("relay", "--help").stdout
    assert all(name in said for name in ("STRANGLER_DSN", "KAFKA_BOOTSTRAP", "OUTBOX_SLOT", "OUTBOX_START_WITHIN_S"))


def test_a_database_without_the_table_is_named(rig: RelayRig, outbox: Outbox) -> None:
    with psycopg.connect(rig.dsn, autocommit=True) as connection:
        connection.execute("DROP PUBLICATION outbox")
        connection.execute("DROP SCHEMA outbox CASCADE")

    for verb in ("relay", "status", "partitions"):
        refused = outbox(verb)
        assert refused.returncode == 2, verb
        assert "run: outbox migrate" in refused.stderr
