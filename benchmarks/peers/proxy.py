"""A plain proxy with the admission that others have: `proxy.py PORT UPSTREAM RULE SLOTS`. Run by aiohttp's Python.

`none`: all are let in. `fixed`: SLOTS at once, the rest is refused. `queue_time`: first come, first served in front of
SLOTS. A class whose waits have been above its target (5 ms, the first class four times that) for 100 ms is refused
what has waited longer; before it waits, a share of a class is refused by how much slower than its best the application
answers (20, 50, 80 % at 2, 3 and 6 times). Retry-After is 1, 5 or 10 s. Ported from a description, not from a source.
"""

# ruff: noqa: ARG002 - a rule need not use all that it is told
from __future__ import annotations

import asyncio
import random
import sys
from collections import deque

from aiohttp import ClientSession, TCPConnector, web

TARGET_S, ABOVE_S, MOST_WAITING = 0.005, 0.1, 1_000
HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "host"}


class Rule:
    """`none`: lets all in."""

    def __init__(self, slots: int) -> None:
        self.slots, self.in_flight = slots, 0

    async def refused(self, rank: int) -> int | None:
        """None: let in, and `done` is called. Else the Retry-After."""
        self.in_flight += 1
        return None

    def done(self, took_s: float) -> None:
        self.in_flight -= 1


class Fixed(Rule):
    async def refused(self, rank: int) -> int | None:
        return 1 if self.in_flight >= self.slots else await super().refused(rank)


class QueueTime(Rule):
    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self._waiting: deque[tuple[int, float, asyncio.Future[int | None]]] = deque()
        self._above_since: dict[int, float] = {}
        self._best_s, self._mean_s = float("inf"), 0.0

    async def refused(self, rank: int) -> int | None:
        if random.random() < self._stressed(rank):
            return 5
        if self.in_flight < self.slots and not self._waiting:
            self.in_flight += 1
            return None
        if len(self._waiting) >= MOST_WAITING:
            return 10
        turn: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((rank, asyncio.get_running_loop().time(), turn))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result() is None:  # its client left with a slot
                self.done(0.0)
            raise

    def done(self, took_s: float) -> None:
        super().done(took_s)
        if took_s:
            self._mean_s += 0.03 * (took_s - self._mean_s) if self._mean_s else took_s
            self._best_s = min(self._best_s, self._mean_s)
        now = asyncio.get_running_loop().time()
        while self._waiting and self.in_flight < self.slots:
            rank, since, turn = self._waiting.popleft()
            if turn.done():
                continue
            if self._too_long(rank, now, now - since):
                turn.set_result(1)
            else:
                self.in_flight += 1
                turn.set_result(None)

    def _too_long(self, rank: int, now: float, waited_s: float) -> bool:
        if waited_s <= TARGET_S * (4 if rank == 0 else 1):
            self._above_since.pop(rank, None)
            return False
        return now - self._above_since.setdefault(rank, now) >= ABOVE_S

    def _stressed(self, rank: int) -> float:
        slower = self._mean_s / self._best_s if self._mean_s else 1.0
        return 0.0 if rank == 0 else 0.8 if slower >= 6 else 0.5 if slower >= 3 else 0.2 if slower >= 2 else 0.0


RULES = {"none": Rule, "fixed": Fixed, "queue_time": QueueTime}


def rank_of(request: web.Request) -> int:
    """As the plan of the bench says it."""
    if request.method == "GET":
        return 0
    return 2 if "X-Partner" in request.headers else 1


async def serve(port: int, upstream: str, rule: Rule) -> None:
    loop = asyncio.get_running_loop()
    session = ClientSession(connector=TCPConnector(limit=0), auto_decompress=False)

    async def forward(request: web.Request) -> web.Response:
        if request.path == "/-/healthz":
            return web.Response()
        if (again_s := await rule.refused(rank_of(request))) is not None:
            return web.Response(status=503, headers={"Retry-After": str(again_s)})
        began = loop.time()
        try:
            sent = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
            body = await request.read()
            async with session.request(request.method, upstream + request.path_qs, data=body, headers=sent) as answer:
                given = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
                return web.Response(status=answer.status, body=await answer.read(), headers=given)
        finally:
            rule.done(loop.time() - began if rank_of(request) else 0.0)  # it is the slow kind that tells of stress

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], RULES[sys.argv[3]](int(sys.argv[4]))))
