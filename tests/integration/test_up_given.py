"""`strangler up` on a PostgreSQL that is given: what it leaves there is said, however far the start came."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg
import pytest

from strangler.cli import main
from strangler.local.databases import database_of
from strangler.local.system import slot_of

PLAN = """
from strangler.plan import Plan, Route, Step, Subject

plan = Plan(
    name="small",
    subject=Subject("order", read=lambda connection: [], caller="anonymous"),
    steps=(Step("mail"),),
    routes=(Route("POST /orders", creates="order"),),
    own_tables=("no_such_module_of_ours",),
)
"""


def test_a_start_that_fails_half_way_names_the_slot_that_it_leaves(
    database: str, bootstrap: str, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The relay of a start that fails may have made it; here the one of a start before has."""
    slot = slot_of(database_of(database))
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
    (tmp_path / "plan.py").write_text(PLAN)
    argv = ["up", "--plan", str(tmp_path / "plan.py"), "--folder", str(tmp_path / "data")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
        patch.setenv("OUTBOX_TOPIC_PREFIX", topic_prefix)
        code = main([*argv, "--dsn", database, "--kafka", bootstrap])
    said = capsys.readouterr().err
    assert (code, "no_such_module_of_ours" in said) == (1, True), said
    assert f"LEFT on the given PostgreSQL: replication slot {slot!r}" in said
