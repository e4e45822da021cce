"""Reads a vendor's ledger over HTTP, page by page: what it was really asked to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests

from strangler.errors import DependencyDown

PAGE = 1_000
TIMEOUT_S = 10.0


def read_ledger(url: str, book: str) -> Iterator[dict[str, Any]]:
    """Its entries in order: `seq, key, body, requests, at`. `DependencyDown` when the vendor does not answer."""
    after, address = 0, f"{url.rstrip('/')}/ledger/{book}"
    with requests.Session() as session:
        session.trust_env = False
        while True:
            try:
                response = session.get(address, params={"after": after, "limit": PAGE}, timeout=TIMEOUT_S)
                response.raise_for_status()
                page = response.json()
            except (requests.RequestException, ValueError) as error:
                raise DependencyDown(f"the ledger at {address} cannot be read: {error}; start the vendors") from error
            if not page["entries"]:
                return
            yield from page["entries"]
            after = page["next"]
