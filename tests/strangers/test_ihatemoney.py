"""An application of others, from the package index: its mails go live and back, from our wheel, and none is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import requests

from strangler.local.stack import Stack
from tests.strangers.conftest import Libraries
from tests.strangers.installed import environment, patched
from tests.strangers.tour import Tour, up_in
from tests.strangers.watch import FIRST_MATCH, LIVE_AND_BACK, Watch
from tests.support.smtp_server import SmtpServer, smtp_server
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.tour, pytest.mark.timeout(900)]
DRIVER = Libraries(None, "psycopg2")


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
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the application as it is published, and our wheel."""
    return environment("ihatemoney", tmp_path_factory.mktemp("ihatemoney"))


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[SmtpServer]:
    with smtp_server(tmp_path / "mails") as server:
        yield server


def test_its_mails_go_live_and_back_and_each_is_sent_once(
    stack: Stack, python: Path, tmp_path: Path, mail: SmtpServer
) -> None:
    watch = Watch("ihatemoney")
    folder = patched("ihatemoney", python, tmp_path)
    tables = ["-c", "from ihatemoney.run import create_app; create_app()"]
    settings = {
        "IHATEMONEY_SETTINGS_FILE_PATH": str(folder / "ihatemoney.cfg"),
        "MAIL_AT": mail.address,
        "SMTP_URL": f"smtp://{mail.address}",
    }
    with up_in(stack, folder, tables, DRIVER, python=str(python), **settings) as tour:
        friends = Friends(tour)
        friends.by_api()
        tour.advance("mail", "shadow")
        friends.by_api()
        friends.by_page()
        first = tour.reconciled()
        watch.saw(FIRST_MATCH)
        tour.advance("mail", "ramp", ramp="50%")
        friends.by_api(4)
        tour.advance("mail", "live")
        friends.by_api()
        friends.by_page()
        wait_until(lambda: len(mail.mails) == len(friends.made), lambda: (len(mail.mails), friends.made), within_s=90)
        wait_until(lambda: tour.is_noted("mail"), within_s=90)
        with tour.paused("mail"):
            friends.by_api(2)
            tour.strangler("rollback", "mail", "--reason", "tour")
            handed = tour.strangler("hand-back", "mail", "--reason", "tour")
        friends.by_api()

        report = tour.reconciled()
        watch.saw(LIVE_AND_BACK)

    assert first["counts"]["mail"]["match"] == 2, first["counts"]
    assert handed["handed_back"] == 2, handed
    assert sorted(one["X-Envelope"] for one in mail.mails) == sorted(friends.made)
    assert report["exit"] == 0, report["judgements"]
    assert not report["judgements"]
    watch.tell()
