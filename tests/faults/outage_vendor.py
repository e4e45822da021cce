"""The payment vendor as its own process, and the four ways in which it is away."""

from __future__ import annotations

from dataclasses import asdict

import requests

from legacy_app.vendors.knobs import Knobs
from strangler.local.process import Running
from strangler.step.intents import Json

NEVER_PER_S = 0.001
AWAY = ("limits", "hangs", "refuses", "charges and times out")


class Vendor:
    """Takes `limit_per_s` requests, saves up for a second, and answers more with 429 and Retry-After.

    `silent_ms`: how long it hangs, longer than its clients wait; `declined`: the share of cards, while it is well.
    """

    def __init__(self, process: Running, token: str, *, limit_per_s: float, declined: float, silent_ms: int) -> None:
        self._process, self._token, self._silent_ms = process, token, silent_ms
        self._well = Knobs(latency_ms=20, rate_limit_per_s=limit_per_s, decline_share=declined)

    @property
    def url(self) -> str:
        return self._process.url

    def recover(self) -> None:
        if not self._process.alive():
            self._process.start()
        self._turn(asdict(self._well))

    def fail(self, how: str) -> None:
        """One of `AWAY`."""
        self.recover()
        match how:
            case "hangs":
                self._turn({"hang_share": 1.0, "decline_share": 0.0, "hang_ms": self._silent_ms})
            case "refuses":
                self._process.kill()
            case "charges and times out":
                self._turn({"effect_then_timeout": 1.0, "decline_share": 0.0, "hang_ms": self._silent_ms})
            case "limits":
                self._turn({"rate_limit_per_s": NEVER_PER_S})
            case _:
                raise ValueError(f"{how!r} is none of {AWAY}")

    def _turn(self, knobs: dict[str, Json]) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        for book in ("payments", "refunds"):
            requests.put(f"{self.url}/knobs/{book}", json=knobs, headers=headers, timeout=5).raise_for_status()
