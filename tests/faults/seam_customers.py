"""The customers of a seed: each sends its requests through the facade, and sends again what was lost, if it does."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import requests

from tests.faults.seam_case import Case, Request
from tests.support.waiting import comes_true

TIMEOUT_S = 60.0
ASKED_AGAIN_S = 2.0  # what is unknown stays so: nobody waits for it for ever
LOST = "lost"


@dataclass
class Customers:
    """`answers`: by request's key, the last status, or `lost`. `again` is set once the application is back."""

    case: Case
    url: str
    cookies: dict[str, str]
    answers: dict[str, str] = field(default_factory=dict)
    again: threading.Event = field(default_factory=threading.Event)
    _threads: Sequence[threading.Thread] = ()

    def begin(self) -> None:
        self._threads = [
            threading.Thread(target=self._play, args=(script,), daemon=True) for script in self.case.scripts
        ]
        for thread in self._threads:
            thread.start()

    def done(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def end(self) -> bool:
        """The application is back: wait until each has done. False where one does not come to an end."""
        self.again.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        return self.done()

    def statuses(self) -> Counter[str]:
        return Counter(self.answers.values())

    def created(self) -> int:
        """How many were told that they have what they asked for, or will."""
        return sum(status in ("201", "202") for status in self.answers.values())

    def _play(self, script: Sequence[Request]) -> None:
        """Who gets no good answer to a request sends no further ones about it."""
        known: dict[str, object] = {}
        with requests.Session() as client:
            client.cookies.update(self.cookies)
            for request in script:
                answer = self._ask(client, request, request.path.format(**known))
                if answer is None or (answer.status_code >= 300 and answer.status_code != 402):
                    return
                known = known or {"id": answer.json().get("id")}

    def _ask(self, client: requests.Session, request: Request, path: str) -> requests.Response | None:
        """The answer that counts."""
        last: list[requests.Response | None] = [self._send(client, request, path)]
        if is_lost(last[0]) and self.case.retries and self.again.wait(TIMEOUT_S):

            def answered() -> bool:
                last[0] = self._send(client, request, path)
                return not is_lost(last[0])

            comes_true(answered, within_s=ASKED_AGAIN_S, every_s=0.5)
        return last[0]

    def _send(self, client: requests.Session, request: Request, path: str) -> requests.Response | None:
        headers = {"Idempotency-Key": request.key}
        try:
            answer = client.request(
                request.method, self.url + path, json=request.body, headers=headers, timeout=TIMEOUT_S
            )
        except requests.RequestException:
            self.answers[request.key] = LOST
            return None
        self.answers[request.key] = str(answer.status_code)
        return answer


def is_lost(answer: requests.Response | None) -> bool:
    """Nobody has said what became of it."""
    return answer is None or answer.status_code in (409, 502, 503, 504)
