"""The toolkit's tables and a team's own Alembic, in one database and one folder."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from tests.integration.stages import plan as plan_module
from tests.migration.conftest import Team

pytestmark = pytest.mark.no_kafka
PLAN = Path(plan_module.__file__)
OURS = """
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p') AND nspname IN ('outbox', 'strangler', 'notification', 'search')"""
CALLS = """from outbox import migrate
    assert migrate(op.get_bind(), "outbox", "outbox")
    assert migrate(op.get_bind(), "consumer", "totals")
    assert migrate(op.get_bind(), "consumer", "totals") == []
    op.create_table("invoice", sa.Column("id", sa.Integer, primary_key=True))"""


def toolkit(team: Team) -> list[str]:
    told = json.loads(team.run("strangler", "migrate", "--plan", str(PLAN), "--json"))
    statements: list[str] = told["statements"]
    return statements


def versions(dsn: str) -> list[tuple[str]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT version_num FROM public.alembic_version").fetchall()


@pytest.mark.parametrize("team_first", [True, False], ids=["team first", "toolkit first"])
def test_each_brings_its_own_tables_whoever_is_first(team: Team, empty: str, *, team_first: bool) -> None:
    if team_first:
        team.alembic("upgrade", "head")
    assert toolkit(team) != []
    team.alembic("upgrade", "head")
    assert toolkit(team) == []

    team.add("second", "first", 'op.add_column("booking", sa.Column("desk", sa.Text))')
    team.alembic("upgrade", "head")

    assert toolkit(team) == []
    assert versions(empty) == [("second",)]


def test_autogenerate_leaves_the_toolkits_tables_alone_and_sees_the_teams(team: Team, empty: str) -> None:
    team.alembic("upgrade", "head")
    toolkit(team)
    with psycopg.connect(empty) as connection:
        connection.execute("CREATE TABLE search.document (id integer PRIMARY KEY)")  # not ours, in a schema of ours
        assert connection.execute(OURS).fetchone() == (54,)

    team.alembic("revision", "--autogenerate", "-m", "changed", "--rev-id", "changed")

    (written,) = (team.folder / "migrations" / "versions").glob("changed_*.py")
    text = written.read_text()
    upgrade = text[text.index("def upgrade") : text.index("def downgrade")]
    assert "op.drop_table('document', schema='search')" in upgrade
    assert upgrade.count("drop_table") == 1
    assert "create_table" not in upgrade


def test_one_call_in_a_teams_revision_is_part_of_it(team: Team, empty: str) -> None:
    team.add("second", "first", CALLS)
    team.alembic("upgrade", "head")

    assert versions(empty) == [("second",)]
    with psycopg.connect(empty) as connection:
        connection.execute("SELECT FROM outbox.outbox, totals.position, public.invoice")


def test_a_revision_that_fails_leaves_nothing_of_the_toolkits(team: Team, empty: str) -> None:
    team.add("second", "first", f"{CALLS}\n    op.execute('SELECT 1 / 0')")
    with pytest.raises(AssertionError, match="division by zero"):
        team.alembic("upgrade", "head")

    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT to_regclass('outbox.outbox'), to_regclass('totals.position')").fetchone() == (
            None,
            None,
        )
