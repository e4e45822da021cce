"""The planter does to the world what it says, to orders that the new side has done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.integration.contexts import connect, rows, waiting_backends
from tests.support.mail_server import ADMIN_TOKEN, MailServer, mail_server
from tests.support.orders import placed, received
from tests.support.services import SERVICES
from tests.support.waiting import wait_until

REFS = [f"order-{number}" for number in range(8)]


@pytest.fixture
def world(database: str) -> Iterator[MailServer]:
    """Eight orders of the new side, their mails done at the vendor."""
    for step in ("notification", "search"):
        with connect(database, step) as connection:
            events = received([placed(ref, f"{step}=new") for ref in REFS])
            SERVICES[step].handler()(connection, events)
    with connect(database, "notification") as connection:
        connection.execute("UPDATE effect SET state = 'done'")
    with mail_server() as server:
        server.accepted = {f"{ref}:notification:200": {"order_ref": ref} for ref in REFS}
        yield server


def environ(database: str, vendor: MailServer, token: str = ADMIN_TOKEN) -> dict[str, str]:
    mine = {"STRANGLER_DSN": database, "VENDORS_URL": vendor.url, "VENDORS_ADMIN_TOKEN": token}
    return {**os.environ, **mine}


def plant(env: dict[str, str], *arguments: str, code: int = 0) -> Any:
    argv = [sys.executable, "-m", "new_services", "plant", *arguments, "--json"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


def piped(argv: Sequence[str], env: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(argv, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_dropped_mail_is_gone_from_the_vendors_ledger(database: str, world: MailServer) -> None:
    said = plant(environ(database, world), "dropped_mail")
    gone = {f"{ref}:notification:200" for ref in REFS} - world.accepted.keys()
    assert gone == {f"{said['subject_ref']}:notification:{said['number']}"}
    assert (said["kind"], said["step"], said["expected_verdict"]) == ("dropped_mail", "notification", "missing")


def test_a_doubled_mail_has_a_second_key(database: str, world: MailServer) -> None:
    said = plant(environ(database, world), "doubled_mail", "--seed", "4", "--order-ref", "order-3")
    [key] = world.accepted.keys() - {f"{ref}:notification:200" for ref in REFS}
    assert key.startswith("planted-")
    assert (said["subject_ref"], said["number"], said["expected_verdict"]) == ("order-3", 200, "duplicate")


def test_dropping_and_doubling_choose_different_orders(database: str, world: MailServer) -> None:
    for seed in range(2):  # each takes two processes
        dropped = plant(environ(database, world), "dropped_mail", "--seed", str(seed))
        world.accepted[f"{dropped['subject_ref']}:notification:200"] = {}
        doubled = plant(environ(database, world), "doubled_mail", "--seed", str(seed))
        assert dropped["subject_ref"] != doubled["subject_ref"]


def test_a_wrong_document_shows_another_total(database: str, world: MailServer) -> None:
    said = plant(environ(database, world), "wrong_document")
    wrong = "SELECT order_ref FROM search.document WHERE (body ->> 'total_minor')::int <> 1645"
    assert rows(database, wrong) == [(said["subject_ref"],)]
    assert (said["number"], said["expected_verdict"]) == (200, "mismatch")


def test_a_stuck_event_waits_until_the_planter_lets_go(database: str, world: MailServer) -> None:
    argv = [sys.executable, "-m", "new_services", "plant", "stuck_event", "--order-ref", "coming", "--json"]
    with piped(argv, environ(database, world)) as holder:
        assert holder.stdout is not None
        assert json.loads(holder.stdout.readline())["expected_verdict"] == "late"
        assert holder.stdout.readline() == "ready stuck_event\n"
        with consume(database, "coming") as consumer:
            wait_until(lambda: waiting_backends(database) == 1)
            holder.terminate()
            assert consumer.wait(30) == 0
    assert rows(database, "SELECT version FROM search.document WHERE order_ref = 'coming'") == [(2,)]
    assert holder.returncode == 0


def consume(database: str, order_ref: str) -> subprocess.Popen[str]:
    """Handle the order's event in a process of its own: it blocks."""
    argv = [sys.executable, "-m", "tests.integration.handler_process", "search", order_ref]
    return subprocess.Popen(argv, env={**os.environ, "STRANGLER_DSN": database}, text=True)


def test_a_planter_whose_parent_goes_lets_go(database: str, world: MailServer) -> None:
    argv = [sys.executable, "-m", "new_services", "plant", "stuck_event", "--order-ref", "coming"]
    with piped(argv, environ(database, world)) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        while "ready" not in holder.stdout.readline():
            assert holder.poll() is None
        holder.stdin.close()
        assert holder.wait(30) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (
            ["dropped_mail", "--order-ref", "unknown"],
            1,
            "subject 'unknown' is not one that has been done",
        ),
        (["stuck_event"], 2, "needs --order-ref"),
        (["stuck_event", "--order-ref", "order-1"], 1, "has handled order-1 already"),
    ],
)
def test_what_cannot_be_planted_is_refused(
    database: str, world: MailServer, arguments: list[str], code: int, reason: str
) -> None:
    assert reason in plant(environ(database, world), *arguments, code=code)


def test_a_wrong_token_and_missing_addresses_say_what_to_check(database: str, world: MailServer) -> None:
    assert "VENDORS_ADMIN_TOKEN" in plant(environ(database, world, "wrong"), "dropped_mail", code=1)
    nowhere = {name: value for name, value in os.environ.items() if name != "STRANGLER_DSN"}
    assert "STRANGLER_DSN is not set" in plant(nowhere, "wrong_document", code=2)
