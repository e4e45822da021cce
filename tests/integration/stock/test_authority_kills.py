"""A move that is killed has changed nothing: stock goes on where it was, and the next move succeeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from legacy_app.plan.authority import stock
from strangler.shared_state import AuthorityMoved, Holder, WantedMove, authorities, authority_moves, move
from tests.integration.stock.rig import deliver, held, on_hand, reserve

ROOT = Path(__file__).resolve().parents[3]
TO_NEW = WantedMove("stock", stock, ("inventory",), Holder.NEW, "ann", "again")
MOVE = ("-m", "strangler", "authority", "move", "stock", "--to", "new", "--reason", "killed on the way")


@pytest.mark.parametrize("point", ["authority.copied", "authority.fenced", "authority.switched"])
def test_a_killed_move_leaves_stock_with_its_holder(database: str, point: str) -> None:
    environ = {
        **os.environ,
        "STRANGLER_DSN": database,
        "STRANGLER_PLAN": str(Path(__file__).with_name("plan.py")),
        "PYTHONPATH": str(ROOT),
        "USER": "ann",
    }
    with psycopg.connect(database, autocommit=True) as connection:
        deliver(connection, "legacy", {"A": 10, "B": 20})
        stopped = subprocess.Popen(
            [sys.executable, *MOVE],
            env={**environ, "OUTBOX_STOP_AT": point},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
        )
        with stopped:
            try:
                assert stopped.stderr is not None
                assert stopped.stderr.readline() == f"stopped_at {point}\n"
            finally:
                stopped.kill()

        reserve(connection, ("one", "A", 3))  # waits for the fence of the dead to fall, and no longer
        assert authorities(connection)["stock"].holder is Holder.LEGACY
        assert authority_moves(connection) == []
        assert on_hand(connection, "legacy") == {"A": 7, "B": 20}

        assert isinstance(move(connection, TO_NEW), AuthorityMoved)
        assert authorities(connection)["stock"].holder is Holder.NEW
        assert on_hand(connection, "new") == {"A": 7, "B": 20}
        assert held(connection) == {"A": 3}
