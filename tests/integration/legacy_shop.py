"""The monolith and its vendors as real processes, for tests: started, spoken to, looked into."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests

from legacy_app.plan.plan import plan as sample
from legacy_app.rehearsal.accounts.vendor_ledger import read_ledger
from outbox.partitions import ensure
from strangler.local.process import Running
from strangler.local.stack import Stack
from strangler.ownership import Owner, Ownership
from tests.contracts.event_schemas import broken_by

OWNED = "epoch=3, notification=new, recommendation=new, search=new"
LINES = (("B", 2, 150), ("A", 1, 500), ("B", 1, 150))
ADMIN, INTERNAL = "admin-token", "internal-token"
PIN = "INSERT INTO strangler.ownership (subject_ref, epoch, owners) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
PINNED = "SELECT owners FROM strangler.ownership WHERE subject_ref = %s FOR UPDATE"
DEMOTE = "UPDATE strangler.ownership SET owners = %s WHERE subject_ref = %s"
MONOLITH = (sys.executable, "-m", "legacy_app", "serve")


@dataclass(frozen=True, slots=True)
class Shop:
    """`environ` has the addresses of both processes."""

    dsn: str
    environ: Mapping[str, str]
    vendors: Running
    monolith: Running

    def place(self, body: Mapping[str, Any], **headers: str) -> requests.Response:
        """As the facade does, which has pinned what it sends."""
        if "Strangler_Order_Ref" in headers:
            owners = headers.get("Strangler_Ownership", "")
            with psycopg.connect(self.dsn) as connection:
                pinned = (headers["Strangler_Order_Ref"], Ownership.from_header(owners).epoch, owners)
                connection.execute(PIN, pinned)
        return self.post("/orders", body, **headers)

    def cancel(self, order_ref: str, cancellation_ref: str, *pieces: tuple[str, int]) -> requests.Response:
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in pieces]
        return self.post(f"/orders/{order_ref}/cancellations", {"cancellation_ref": cancellation_ref, "lines": lines})

    def post(self, path: str, body: object, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(self.monolith.url + path, json=body, headers=named, timeout=30)

    def take_back(self, step: str, order_ref: str) -> requests.Response:
        """As a hand-back does once it has put its tombstone: the step is legacy's, which is told to run it."""
        with psycopg.connect(self.dsn) as connection:
            ((owners,),) = connection.execute(PINNED, (order_ref,)).fetchall()
            pinned = Ownership.from_header(owners)
            owners = Ownership(pinned.epoch, {**pinned.owners, step: Owner.LEGACY}).to_header() if owners else ""
            connection.execute(DEMOTE, (owners, order_ref))
        return self.hand_back(step, order_ref)

    def hand_back(self, step: str, order_ref: str, token: str = INTERNAL) -> requests.Response:
        return self.post(
            f"/internal/strangler/steps/{step}/subjects/{order_ref}", None, Authorization=f"Bearer {token}"
        )

    def turn(self, book: str, **knobs: Any) -> None:
        headers = {"Authorization": f"Bearer {ADMIN}"}
        answer = requests.put(f"{self.vendors.url}/knobs/{book}", json=knobs, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text

    def ledger(self, book: str) -> list[dict[str, Any]]:
        return list(read_ledger(self.vendors.url, book))

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(sql, parameters).fetchall()

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """`python -m legacy_app ...` against this shop."""
        return subprocess.run(
            [sys.executable, "-m", "legacy_app", *argv],
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )


def broken_contracts(dsn: str) -> list[str]:
    """What is wrong with the events that were really appended."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT aggregatetype, type, payload FROM outbox.outbox").fetchall()
    return [problem for topic, type_, payload in rows for problem in broken_by(topic, type_, payload)]


@contextmanager
def open_shop(
    stack: Stack,
    folder: Path,
    *,
    workers: int = 3,
    timeout_s: int = 30,
    command: Sequence[str] = MONOLITH,
    **environ: str,
) -> Iterator[Shop]:
    """A shop with a database of its own; all of it gone afterwards. Workers are patient unless a test says not.

    At its end all events that it has appended must keep their contracts.
    """
    name = f"shop_{secrets.token_hex(6)}"
    dsn = stack.database(name, sample)
    with psycopg.connect(dsn) as connection:
        ensure(connection)
    given = {"STRANGLER_DSN": dsn, "VENDORS_ADMIN_TOKEN": ADMIN, "STRANGLER_INTERNAL_TOKEN": INTERNAL}
    given |= {"VENDORS_FOLDER": str(folder / name), **environ}
    vendors = (sys.executable, "-m", "legacy_app", "vendors")
    started: list[Running] = []
    spawn: Callable[..., Running] = stack.spawn
    try:
        started.append(spawn(f"vendors-{name}", vendors, env=given, port_env="PORT", ready_path="/healthz"))
        given["VENDORS_URL"] = started[0].url
        argv = (*command, "--workers", str(workers), "--timeout-s", str(timeout_s))
        started.append(spawn(f"legacy-{name}", argv, env=given, port_env="PORT", ready_path="/healthz"))
        yield Shop(dsn, {**given, "LEGACY_URL": started[1].url}, *started)
        assert broken_contracts(dsn) == []
    finally:
        for running in reversed(started):
            running.terminate()
        stack.databases.drop(name)


def order(client_ref: str, *lines: tuple[str, int, int], **fields: Any) -> dict[str, Any]:
    """A body for POST /orders; lines are (sku, pieces, pence)."""
    described = [
        {"sku": sku, "description": f"The {sku}", "quantity": quantity, "unit_price_minor": pence}
        for sku, quantity, pence in lines
    ]
    body = {
        "client_ref": client_ref,
        "channel": "web",
        "merchant_id": None,
        "customer_id": "17",
        "country": "United Kingdom",
        "placed_at": "2011-06-01T08:26:00",
        "lines": described,
    }
    return {**body, **fields}


def placed(shop: Shop, ref: str, ownership: str = "epoch=3, search=shadow", **fields: Any) -> str:
    """Place `LINES` as the facade would, pinned."""
    body = order(ref, *LINES, **fields)
    answer = shop.place(body, Strangler_Order_Ref=ref, Strangler_Ownership=ownership)
    assert answer.status_code == 201, answer.text
    return ref


def mails(shop: Shop, ref: str) -> list[tuple[str, str, int]]:
    """Key, template and amount of the order's mails in the gateway's ledger."""
    entries = [entry for entry in shop.ledger("mail") if entry["body"]["order_ref"] == ref]
    return [(entry["key"], entry["body"]["template"], entry["body"]["total_minor"]) for entry in entries]
