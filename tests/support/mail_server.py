"""A mail vendor for tests: real HTTP on loopback, accepts a key once, and answers as the test says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.support.http_stub import Seen, answer, http_stub

ADMIN_TOKEN = "test-admin"


@dataclass
class MailServer:
    """`accepted` is the ledger; `answers` are the statuses of the next calls, 202 when there are none.

    A status below 0 accepts the mail and answers with its absolute value: it acted, the caller is told it did not.
    """

    url: str = ""
    accepted: dict[str, object] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    looked_up: Counter[str] = field(default_factory=Counter)
    answers: list[int] = field(default_factory=list)

    def reply(self, seen: Seen) -> bytes:
        return answer(self._status(seen), b"{}")

    def _status(self, seen: Seen) -> int:
        match seen.method:
            case "POST":
                return self._post(seen.value("Idempotency-Key") or "", json.loads(seen.body))
            case "GET":
                key = unquote(seen.target.removeprefix("/mail/messages/"))
                self.looked_up[key] += 1
                return 200 if key in self.accepted else 404
            case "DELETE" if seen.value("Authorization") != f"Bearer {ADMIN_TOKEN}":
                return 401
            case "DELETE":
                key = unquote(seen.target.removeprefix("/ledger/mail/"))
                return 404 if self.accepted.pop(key, None) is None else 200
        return 405

    def _post(self, key: str, body: object) -> int:
        self.asked[key] += 1
        status = self.answers.pop(0) if self.answers else 202
        if status == 202 or status < 0:
            self.accepted.setdefault(key, body)
        return abs(status)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A vendor on a free port of loopback."""
    state = MailServer()
    with http_stub(state.reply) as stub:
        state.url = stub.url
        yield state
