"""The monolith's way to its vendors, as found: no timeouts, so a hung provider hangs the request and its locks."""

from __future__ import annotations

from typing import Any

import requests


class VendorFailed(Exception):
    """A vendor answered, but not with success."""


class Vendors:
    """One per worker."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()

    def post(self, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask, and wait for as long as it takes."""
        response = self._session.post(self._url + path, json=body, headers={"Idempotency-Key": key})
        if response.status_code >= 300:
            raise VendorFailed(f"{path} answered {response.status_code}; try again later")
        answer: dict[str, Any] = response.json()
        return answer
