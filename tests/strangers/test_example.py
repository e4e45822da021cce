"""The tutorial as it stands, on the README's application, service and plan: a step goes live, no mail is missed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import requests

from strangler.local.stack import Stack
from tests.strangers.tour import Tour, up_in
from tests.support.typed import Shown, shown_in
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "desk"
TUTORIAL = ROOT / "docs" / "tutorial" / "README.md"
TABLES = (
    "import os, desk, sqlalchemy; desk.Table.metadata.create_all(sqlalchemy.create_engine(os.environ['DATABASE_URL']))"
)


@pytest.mark.parametrize("file", ["desk.py", "mailer.py", "plan.py"])
def test_the_readme_shows_the_files_that_are_run(file: str) -> None:
    assert f"```python\n{(EXAMPLE / file).read_text()}```" in (ROOT / "README.md").read_text()


def test_the_tutorial_makes_the_table_as_the_test_does() -> None:
    assert f'    python -c "{TABLES}"\n' in TUTORIAL.read_text()


@pytest.mark.tour
@pytest.mark.timeout(240)
def test_the_tutorial_is_typed_as_it_stands_and_nobody_misses_a_mail(stack: Stack, tmp_path: Path) -> None:
    for file in (*EXAMPLE.glob("*.py"), *EXAMPLE.parent.glob("*.py")):
        (tmp_path / file.name).write_text(file.read_text())
    mailbox = stack.spawn(
        "mailbox", (sys.executable, str(tmp_path / "mailbox.py")), env={}, port_env="PORT", ready_path="/healthz"
    )
    try:
        with up_in(stack, tmp_path, ["-c", TABLES], MAIL_URL=mailbox.url) as tour:
            (tmp_path / ".strangler").symlink_to(tour.data)
            typed = shown_in(TUTORIAL.read_text())
            for shown in typed:
                type_it(tour, shown)
            mails = requests.get(mailbox.url + "/messages", timeout=30).json()
    finally:
        mailbox.terminate()

    booked = [shown for shown in typed if shown.command.startswith("python book.py")]
    assert len(mails) == len(booked) == 5
    assert {mail["body"]["to"] for mail in mails} == {shown.command.split()[2] for shown in booked}
    assert not any(mail["key"].startswith("none-") for mail in mails)


def type_it(tour: Tour, shown: Shown) -> None:
    """What is late is asked again, as the page says."""

    def said() -> bool:
        done = shown.run(tour.folder, tour.environ)
        assert done.returncode == 0, f"{shown.command}\n{done.stdout}\n{done.stderr}"
        if " late" in done.stdout:
            return False
        assert shown.is_said_by(done.stdout), f"{shown.command}\n{done.stdout}\nis not\n{shown.output}"
        return True

    wait_until(said)
