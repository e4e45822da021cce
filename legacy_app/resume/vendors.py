"""The monolith's vendor clients, as its resumer uses them: one for each thread, and none waits without end."""

from __future__ import annotations

import threading
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from legacy_app.vendor_client import Vendors

VENDOR_TIMEOUT_S = (3.0, 15.0)  # connect, read: the monolith's own client would wait for ever


class PatientVendors(Vendors):
    """The monolith's client, which gives up on a hung vendor."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._session.mount("http://", _Bounded())
        self._session.mount("https://", _Bounded())


class PerThread:
    """A session of requests is not shared between threads."""

    def __init__(self, url: str) -> None:
        self._url, self._local = url, threading.local()

    def vendors(self) -> Vendors:
        """This thread's."""
        if not hasattr(self._local, "vendors"):
            self._local.vendors = PatientVendors(self._url)
        vendors: Vendors = self._local.vendors
        return vendors


class _Bounded(HTTPAdapter):
    def send(self, request: PreparedRequest, **given: Any) -> Response:  # type: ignore[override]  # by name only
        return super().send(request, **{**given, "timeout": given.get("timeout") or VENDOR_TIMEOUT_S})
