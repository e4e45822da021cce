"""An application of others, from the package index: its mails go live and back, from our wheel, and none is lost."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import requests

from strangler.local.stack import Stack
from tests.e2e.test_packaging import pip
from tests.strangers.conftest import Libraries
from tests.strangers.running import HERE
from tests.strangers.tour import Tour, up_in
from tests.support.smtp_server import SmtpServer, smtp_server
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.tour, pytest.mark.timeout(400)]
OURS = HERE / "ihatemoney"
VERSION = "7.2.1"
DRIVER = Libraries(None, "psycopg2")
PAGE = HERE.parents[1] / "docs" / "reference" / "strangers.md"


@dataclass
class Friends:
    """Who makes projects, by the API and by the page; `made` are the addresses that must get a mail each."""

    tour: Tour
    numbers: count[int] = field(default_factory=count)
    made: list[str] = field(default_factory=list)

    def by_api(self, number: int = 1) -> None:
        for _ in range(number):
            answer = requests.post(f"{self.tour.facade}/api/projects", data=self._project(), timeout=30)
            assert answer.status_code == 201, answer.text

    def by_page(self) -> None:
        with requests.Session() as client:
            form = client.get(f"{self.tour.facade}/create", timeout=30).text
            token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
            assert token is not None
            data = self._project() | {"csrf_token": token[1]}
            answer = client.post(f"{self.tour.facade}/create", data=data, timeout=30, allow_redirects=False)
        assert answer.status_code == 302, answer.text

    def _project(self) -> dict[str, str]:
        number = next(self.numbers)
        self.made.append(f"friend{number}@example.org")
        return {
            "name": f"Trip {number}",
            "id": f"trip{number}",
            "password": "pw",
            "contact_email": self.made[-1],
            "default_currency": "XXX",
        }


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment with the application as it is published, and our wheel."""
    folder = tmp_path_factory.mktemp("ihatemoney")
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(HERE.parents[1]))
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True, timeout=60)
    python = folder / "env" / "bin" / "python"
    pip("install", f"ihatemoney=={VERSION}", "psycopg2-binary", f"{wheel}[run]", python=python)
    return python


@pytest.fixture
def folder(environment: Path, tmp_path: Path) -> Path:
    """The application with our patch, the plan and the service."""
    found = "import ihatemoney, pathlib; print(pathlib.Path(ihatemoney.__file__).parent)"
    done = subprocess.run([environment, "-c", found], capture_output=True, text=True, check=True, timeout=60)
    shutil.copytree(done.stdout.strip(), tmp_path / "ihatemoney", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["git", "apply", str(OURS / "changes.patch")], cwd=tmp_path, check=True, timeout=60)
    for name in ("plan.py", "mailer.py", "ihatemoney.cfg"):
        shutil.copy(OURS / name, tmp_path)
    return tmp_path


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[SmtpServer]:
    with smtp_server(tmp_path / "mails") as server:
        yield server


def test_its_mails_go_live_and_back_and_each_is_sent_once(
    stack: Stack, environment: Path, folder: Path, mail: SmtpServer
) -> None:
    tables = ["-c", "from ihatemoney.run import create_app; create_app()"]
    settings = {
        "IHATEMONEY_SETTINGS_FILE_PATH": str(folder / "ihatemoney.cfg"),
        "MAIL_AT": mail.address,
        "SMTP_URL": f"smtp://{mail.address}",
    }
    with up_in(stack, folder, tables, DRIVER, python=str(environment), **settings) as tour:
        friends = Friends(tour)
        friends.by_api()
        tour.advance("mail", "shadow")
        friends.by_api()
        friends.by_page()
        first = tour.reconciled()
        tour.advance("mail", "ramp", ramp="50%")
        friends.by_api(4)
        tour.advance("mail", "live")
        friends.by_api()
        friends.by_page()
        wait_until(lambda: len(mail.mails) == len(friends.made), lambda: (len(mail.mails), friends.made), within_s=90)
        with tour.paused("mail"):
            friends.by_api(2)
            tour.strangler("rollback", "mail", "--reason", "tour")
            handed = tour.strangler("hand-back", "mail", "--reason", "tour")
        friends.by_api()

        report = tour.reconciled()

    assert first["counts"]["mail"]["match"] == 2, first["counts"]
    assert handed["handed_back"] == 2, handed
    assert sorted(one["X-Envelope"] for one in mail.mails) == sorted(friends.made)
    assert report["exit"] == 0, report["judgements"]
    assert not report["judgements"]


def test_the_page_says_how_many_lines_it_took() -> None:
    lines = {
        "changed in the application": len(added((OURS / "changes.patch").read_text())),
        "plan": len(code((OURS / "plan.py").read_text())),
        "service": len(code((OURS / "mailer.py").read_text())),
    }

    assert sum(lines.values()) <= 70
    page = PAGE.read_text()
    for what, number in lines.items():
        assert f"| {what} | {number} |" in page, (what, number)


def added(patch: str) -> list[str]:
    return code("\n".join(line[1:] for line in patch.splitlines() if line.startswith("+") and line[:3] != "+++"))


def code(text: str) -> list[str]:
    """Without blank lines and comments."""
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
