"""The desk's mails go to the new side and back, stage by stage, behind facade and login; each stage is judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from strangler.local.stack import Stack
from tests.strangers.running import Application
from tests.strangers.strangled import Town, strangled
from tests.support.waiting import wait_until

TOPICS = ("booking", "mail")
DAYS = count(1)
BEFORE = """
INSERT INTO bookings (email, desk, day, total_cents, status)
VALUES ('bob@example.invalid', 'door', '2011-05-01', 1, 'booked')
RETURNING id"""
EFFECTS = "SELECT subject_ref, number, state FROM mail.effect ORDER BY planned_at"
REFERENCES = "SELECT subject_ref, version FROM bookings ORDER BY id"
ALIASES = "SELECT subject_ref FROM strangler.subject_alias ORDER BY native_id::integer"


@pytest.fixture
def town(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with strangled(stack, "desk", tmp_path_factory.mktemp("desk"), TOPICS) as town:
        town.toolkit("outbox", "relay")
        yield town


def booked(desk: Application) -> int:
    """A form sent twice, which is one booking; its id."""
    form = {"email": "ann@example.invalid", "desk": "window", "day": f"2012-{next(DAYS):04d}"}
    first, again = (desk.send("POST", "/checkout", data=form) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    return int(first.json()["id"])


def changed(desk: Application, booking: int) -> None:
    """Moved and cancelled, by the application's own id."""
    moved = desk.send("PATCH", f"/bookings/{booking}", json={"day": f"2013-{next(DAYS):04d}"})
    cancelled = desk.send("POST", f"/bookings/{booking}/cancel")
    assert (moved.status_code, cancelled.status_code) == (200, 200)


def judged(town: Town) -> dict[str, dict[str, int]]:
    ended = town.command("reconcile", "--json", "--timeout-s", "30")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: dict[str, dict[str, int]] = json.loads(ended.stdout)["by_owner"]
    return found


@pytest.mark.timeout(300)
def test_from_legacy_to_live_and_back_every_change_is_mailed_once(town: Town) -> None:
    service = town.toolkit("strangler", "run", "mail")
    legacy = town.serve()
    desk = replace(legacy, url=town.facade(legacy).url)
    assert desk.send("POST", "/checkout", data={}).status_code == 401
    desk.send("POST", "/login", data={"user": "ann"})
    ((before,),) = town.rows(BEFORE)
    said = "--reason", "test"

    changed(desk, booked(desk))
    for stage in (["shadow"], ["ramp", "--ramp", "50%"], ["live"]):
        town.finish("strangler", "advance", "mail", "--to", *stage, *said)
        changed(desk, booked(desk))
        judged(town)
    changed(desk, before)
    wait_until(lambda: len(desk.ledger("messages")) == 4 * 3 + 2, lambda: town.rows(EFFECTS))

    service.terminate()
    unsent = [booked(desk) for _ in range(3)]
    changed(desk, unsent[0])
    town.finish("strangler", "rollback", "mail", "--to", "legacy", *said)
    town.finish("strangler", "hand-back", "mail", *said, LEGACY_URL=legacy.url)
    assert len(desk.ledger("messages")) == 4 * 3 + 2 + 5
    changed(desk, unsent[1])
    changed(desk, booked(desk))
    service.start()
    judged(town)

    versions = dict(town.rows(REFERENCES))
    assert [ref for (ref,) in town.rows(ALIASES)] == [ref for ref, _ in town.rows(REFERENCES)]
    assert versions[f"booking:{before}"] == 2
    due = sorted(f"{ref}:mail:{100 * number}" for ref, version in versions.items() for number in range(1, version + 1))
    assert sorted(one["key"] for one in desk.ledger("messages")) == due
