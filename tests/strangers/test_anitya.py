"""An application of others, from the package index: its messages go live and back, from our wheel, and none is lost."""

from __future__ import annotations

import secrets
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
from tests.support.amqp_server import Broker, amqp_server
from tests.support.http_stub import Reply, Seen, answer, http_stub
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.tour, pytest.mark.timeout(900)]
DRIVER = Libraries(None, "psycopg2")
TOKEN = secrets.token_hex(20)
# As `flask db sync` made them before there was strangling: `strangler up` brings the three columns by its migration.
TABLES = """
from alembic import command
from anitya.db import db
from anitya_wsgi import app
with app.app_context():
    db.manager.sync()
    command.downgrade(db.manager.alembic_cfg, "-1")
"""
# A login would need a provider of OpenID Connect.
FROM_BEFORE = f"""
INSERT INTO users (id, email, username, active, admin)
VALUES ('6f2f1e0c-45f4-4a3e-9a39-3f0d7a1b2c3d', 'ann@example.org', 'ann', true, false);
INSERT INTO tokens (token, created, user_id) VALUES ('{TOKEN}', now(), '6f2f1e0c-45f4-4a3e-9a39-3f0d7a1b2c3d');
INSERT INTO projects (name, homepage, backend, ecosystem_name, insecure, releases_only, archived)
VALUES ('old', 'http://old.example', 'custom', 'http://old.example', false, false, false)"""
MESSAGE_IDS = "SELECT subject_ref || ':announce:100' FROM projects WHERE version > 0"


@dataclass
class Packager:
    """Adds projects of one upstream, by the API; `added` are the names that the bus must have heard once each."""

    tour: Tour
    upstream: str
    numbers: count[int] = field(default_factory=count)
    added: list[str] = field(default_factory=list)

    def add(self, number: int = 1) -> None:
        for _ in range(number):
            name = f"project{next(self.numbers)}"
            answer = self.post(name, "/releases")
            assert answer.status_code == 201, answer.text
            self.added.append(name)

    def post(self, name: str, path: str, token: str = TOKEN) -> requests.Response:
        project = {
            "name": name,
            "homepage": f"{self.upstream}/{name}",
            "backend": "custom",
            "version_url": f"{self.upstream}{path}",
            "regex": r"v([\d.]+)",
        }
        said = {"Authorization": f"token {token}"}
        return requests.post(f"{self.tour.facade}/api/v2/projects/", json=project, headers=said, timeout=60)


def releases(asked: Seen) -> Reply:
    """The upstream's page: /releases names two."""
    return answer(200, b"<a>zlib-v1.2</a> <a>zlib-v1.3</a>" if asked.target == "/releases" else b"nothing yet")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the application as it is published, and our wheel."""
    return environment("anitya", tmp_path_factory.mktemp("anitya"))


@pytest.fixture
def broker() -> Iterator[Broker]:
    with amqp_server() as broker:
        yield broker


def test_its_messages_go_live_and_back_and_each_is_told_once(
    stack: Stack, python: Path, tmp_path: Path, broker: Broker
) -> None:
    watch = Watch("anitya")
    folder = patched("anitya", python, tmp_path)
    conf = folder / "fedora-messaging.toml"
    conf.write_text(f'amqp_url = "amqp://{broker.address}"\n')
    with (
        http_stub(releases) as upstream,
        up_in(
            stack,
            folder,
            ["-c", TABLES],
            DRIVER,
            existing=FROM_BEFORE,
            python=str(python),
            FEDORA_MESSAGING_CONF=str(conf),
        ) as tour,
    ):
        packager = Packager(tour, upstream.url)
        packager.add()
        tour.advance("announce", "shadow")
        packager.add(2)
        first = tour.reconciled()
        watch.saw(FIRST_MATCH)
        tour.advance("announce", "ramp", ramp="50%")
        packager.add(4)
        tour.advance("announce", "live")
        packager.add(2)
        refused = [packager.post("project1", "/releases"), packager.post("empty", "/"), packager.post("x", "/", "no")]
        wait_until(lambda: len(broker.messages) == len(packager.added), lambda: broker.messages, within_s=90)
        wait_until(lambda: tour.is_noted("announce"), within_s=90)
        with tour.paused("announce"):
            packager.add(2)
            tour.strangler("rollback", "announce", "--reason", "tour")
            handed = tour.strangler("hand-back", "announce", "--reason", "tour")
        packager.add()

        report = tour.reconciled()
        watch.saw(LIVE_AND_BACK)
        keys = sorted(key for (key,) in tour.rows(MESSAGE_IDS))

    assert first["counts"]["announce"]["match"] == 2, first["counts"]
    assert handed["handed_back"] == 2, handed
    assert [one.status_code for one in refused] == [409, 400, 401]
    assert sorted(one.body["project"]["name"] for one in broker.messages) == sorted(packager.added)
    assert {one.topic for one in broker.messages} == {"anitya.project.add"}
    assert sorted(one.id for one in broker.messages if one.id.endswith(":announce:100")) == keys
    assert (report["exit"], report["judgements"]) == (0, [])
    watch.tell()
