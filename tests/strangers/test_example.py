"""The README's application, service and plan run as they stand there: a step goes live, and nobody misses a mail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import requests

from strangler.local.stack import Stack
from tests.strangers.running import OUTSIDE, ledger, on_path
from tests.strangers.tour import Tour, up_in
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "desk"
TABLES = (
    "import os, desk, sqlalchemy; desk.Table.metadata.create_all(sqlalchemy.create_engine(os.environ['DATABASE_URL']))"
)


@pytest.mark.parametrize("file", ["desk.py", "mailer.py", "plan.py"])
def test_the_readme_shows_the_files_that_are_run(file: str) -> None:
    assert f"```python\n{(EXAMPLE / file).read_text()}```" in (ROOT / "README.md").read_text()


@pytest.mark.alone
@pytest.mark.timeout(240)
def test_its_step_goes_live_and_nobody_misses_a_mail(stack: Stack) -> None:
    world = (sys.executable, "-m", "outside")
    outside = stack.spawn("outside-example", world, env=on_path(OUTSIDE), port_env="PORT", ready_path="/healthz")
    try:
        with up_in(stack, EXAMPLE, ["-c", TABLES], MAIL_URL=outside.url) as tour:
            for stage in ("", "shadow", "live"):
                if stage == "live":
                    tour.advance("mail", "ramp", ramp="50%")
                if stage:
                    tour.advance("mail", stage)
                for day in ("Monday", "Tuesday"):
                    assert book(tour, f"{day} {stage}") == 201
            wait_until(lambda: len(ledger(outside.url, "messages")) == 6)
            report, mails = tour.reconciled(), ledger(outside.url, "messages")
    finally:
        outside.terminate()

    assert len({mail["key"] for mail in mails}) == len(mails) == 6
    assert report["exit"] == 0, report["judgements"]
    assert report["counts"]["mail"]["match"] == 6, report["counts"]


def book(tour: Tour, day: str) -> int:
    body = {"email": "ann@example.invalid", "day": day}
    return requests.post(tour.facade + "/checkout", json=body, timeout=30).status_code
