"""One request of the impatient client, tried until it is answered or given up."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

BACKOFF_BASE_S = 0.05
BACKOFF_CAP_S = 1.0
MAX_WAITS = 20  # for a request that is under way elsewhere: waiting is not trying again
IN_PROGRESS = 409
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one try may take, and how many there are."""

    timeout_s: float = 1.0
    attempts: int = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended: `status` is the last answer's, None when nothing ever answered."""

    status: int | None
    body: Mapping[str, Any]
    attempts: int
    timeouts: int
    refused: int

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Client:
    """One per thread. `pause` waits that many seconds and answers True when the replay is to stop."""

    def __init__(self, url: str, patience: Patience, rng: random.Random, pause: Callable[[float], bool]) -> None:
        self._url, self._patience, self._rng, self._pause = url.rstrip("/"), patience, rng, pause
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        self._session.close()

    def post(self, path: str, key: str, body: Mapping[str, Any]) -> Outcome:
        """Try with the same Idempotency-Key until 2xx, a final refusal, or the end of patience."""
        attempts = timeouts = refused = waits = 0
        status: int | None = None
        answer: Mapping[str, Any] = {}
        while attempts < self._patience.attempts and waits < MAX_WAITS:
            response = self._try(path, key, body)
            if response is None or response.status_code != IN_PROGRESS or "Retry-After" not in response.headers:
                attempts += 1
            else:
                waits += 1
            timeouts += response is None
            if response is not None:
                status, answer = response.status_code, _json(response)
                refused += status in (429, 503)
                if not _again(response):
                    break
            if self._pause(self._delay_s(attempts, response)):
                break
        return Outcome(status, answer, attempts, timeouts, refused)

    def _try(self, path: str, key: str, body: Mapping[str, Any]) -> requests.Response | None:
        """None when nobody answered in time: the order may have been placed or not."""
        headers = {"Idempotency-Key": key}
        try:
            return self._session.post(
                self._url + path, json=body, headers=headers, timeout=self._patience.timeout_s, allow_redirects=False
            )
        except requests.RequestException:
            return None

    def _delay_s(self, attempts: int, response: requests.Response | None) -> float:
        """Full jitter; Retry-After is honoured, but nobody impatient waits longer than a second."""
        jitter_s = self._rng.uniform(0, min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0**attempts))
        asked = response.headers.get("Retry-After", "") if response is not None else ""
        return min(BACKOFF_CAP_S, max(jitter_s, float(asked))) if asked.isdecimal() else jitter_s


def _again(response: requests.Response) -> bool:
    in_progress = response.status_code == IN_PROGRESS and "Retry-After" in response.headers
    return in_progress or response.status_code in TRY_AGAIN


def _json(response: requests.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
