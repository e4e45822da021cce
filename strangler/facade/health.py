"""What the facade tells of itself: asked on its own path, or on a socket that no client's limit touches."""

from __future__ import annotations

import asyncio
import json

from strangler.facade.client_link import ClientLink
from strangler.facade.loop_database import LoopDatabase
from strangler.facade.message import RequestOutcome, Response
from strangler.facade.problem import NOT_HERE
from strangler.facade.wire import RequestHead

HEALTH_PATH = "/-/healthz"
WITHIN_S = 2.0  # what does not answer by then is down


class Health:
    """A connection of its own, one question at a time: whoever asks meanwhile gets the same answer."""

    def __init__(self, database: LoopDatabase, loop: asyncio.AbstractEventLoop) -> None:
        self._database, self._loop = database, loop
        self._asked: asyncio.Task[bool] | None = None

    async def answer(self, head: RequestHead, client: ClientLink) -> Response:  # noqa: ARG002 - any client's
        return await self.answer_to(head.method, head.target.partition("?")[0])

    def refused(self, answer: Response) -> None:
        """Nothing is counted here."""

    async def answer_to(self, method: str, path: str) -> Response:
        """200 while this process serves. Without a database it still forwards, so that is reported, not failed."""
        if path != HEALTH_PATH or method not in ("GET", "HEAD"):
            return NOT_HERE.to_answer()
        if self._asked is None or self._asked.done():
            self._asked = self._loop.create_task(self._database.answers())
        done, _ = await asyncio.wait({self._asked}, timeout=WITHIN_S)
        is_up = bool(done) and self._asked.result()
        body = json.dumps({"status": "ready", "database": "up" if is_up else "down"}).encode()
        fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        return Response(200, "OK", fields, body, RequestOutcome.OWN)
