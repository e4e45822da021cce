"""An application that the toolkit has not seen: begun by `init`, seamed by a patch, live and back by the verbs."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from strangler.local.stack import Stack
from tests.strangers.running import OUTSIDE, ledger, on_path
from tests.strangers.tour import Tour, up_in
from tests.support.hall import build
from tests.support.waiting import wait_until

NOTHING = ["-c", "pass"]  # the factory makes its tables


def typed(folder: Path, *argv: str, stdin: str = "") -> str:
    """What a person types in the application's folder; it must do."""
    ended = subprocess.run(argv, cwd=folder, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@contextmanager
def outside(stack: Stack) -> Iterator[str]:
    world = (sys.executable, "-m", "outside")
    running = stack.spawn("outside-begun", world, env=on_path(OUTSIDE), port_env="PORT", ready_path="/healthz")
    try:
        yield running.url
    finally:
        running.terminate()


def buy(tour: Tour, *seats: str) -> None:
    for seat in seats:
        body = {"guest": "ann@example.invalid", "seat": seat, "cents": 1250}
        answer = requests.post(tour.facade + "/api/tickets", json=body, timeout=30)
        assert (answer.status_code, answer.json()["seat"]) == (201, seat), answer.text


@pytest.mark.tour
@pytest.mark.timeout(300)
def test_init_check_up_and_a_step_live_and_back(stack: Stack) -> None:
    verb = (sys.executable, "-m", "strangler")
    with tempfile.TemporaryDirectory(prefix="begun-") as text, outside(stack) as url:
        folder = build(Path(text))
        typed(folder, *verb, "init")
        assert "no finding(s)" in typed(folder, *verb, "check")
        with up_in(stack, folder, NOTHING, LETTERS_URL=url) as tour:
            buy(tour, "A1")
            assert tour.strangler("status")["steps"][0]["stage"] == "legacy"
        assert [one["body"]["subject"] for one in ledger(url, "messages")] == ["Your seat A1"]

        typed(folder, "patch", "-p1", stdin=typed(folder, *verb, "seam", "suggest", "src/hall/tickets/letters.py"))
        with up_in(stack, folder, NOTHING, LETTERS_URL=url) as tour:
            tour.advance("send_ticket", "shadow")
            buy(tour, "B1", "B2")
            shadow = tour.reconciled()
            assert (shadow["exit"], shadow["counts"]["send_ticket"]["match"]) == (0, 2), shadow
            tour.advance("send_ticket", "ramp", ramp="100%")
            tour.advance("send_ticket", "live", anyway=True)
            buy(tour, "C1", "C2")
            wait_until(lambda: len(ledger(url, "messages")) == 5)
            tour.strangler("rollback", "send_ticket", "--reason", "tour")
            buy(tour, "D1")
            report = tour.reconciled()
        assert report["exit"] == 0, report["judgements"]
        sent = [one["body"]["subject"] for one in ledger(url, "messages")]
        assert sorted(sent) == [f"Your seat {seat}" for seat in ("A1", "B1", "B2", "C1", "C2", "D1")]
