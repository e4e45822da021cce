"""The sample's vendors as a process on loopback, for tests: misbehaving as told, with ledgers to look into."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from legacy_app.rehearsal.accounts.vendor_ledger import read_ledger
from strangler.local.stack import Stack

ADMIN_TOKEN = "test-admin"


@dataclass(frozen=True, slots=True)
class Vendors:
    """Where they are, their knobs, and what they were really asked."""

    url: str

    def turn(self, book: str, **knobs: Any) -> None:
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        requests.put(f"{self.url}/knobs/{book}", json=knobs, headers=headers, timeout=30).raise_for_status()

    def asked(self, book: str, order_ref: str) -> dict[str, int]:
        """Requests by key of what was done for an order; a key that stands twice fails the test."""
        entries = [entry for entry in read_ledger(self.url, book) if entry["body"]["order_ref"] == order_ref]
        assert len({entry["key"] for entry in entries}) == len(entries)
        return {entry["key"]: entry["requests"] for entry in entries}


@contextmanager
def vendors_server(stack: Stack, folder: Path) -> Iterator[Vendors]:
    argv = (sys.executable, "-m", "legacy_app", "vendors")
    environ = {"VENDORS_ADMIN_TOKEN": ADMIN_TOKEN, "VENDORS_FOLDER": str(folder)}
    name = f"vendors-{secrets.token_hex(4)}"
    process = stack.spawn(name, argv, env=environ, port_env="PORT", ready_path="/healthz")
    try:
        yield Vendors(process.url)
    finally:
        process.terminate()
