"""Clients that come when they come, however slow answers are: `python -m benchmarks.open_load < LOAD.json`.

A load: `port`, `seconds`, `skip_s` (not counted at the begin), `seed` and `flows`, each with `name`, `per_s`, `method`,
`paths`, `fields`, `deadline_s`, and `orders` (each request has a body and a key of its own). A client that is refused
with a Retry-After heeds it, once. On stdout: of each flow what became of those that came after `skip_s`.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SKUS = 20_000  # a row lock is held over the whole order: two orders must rarely want one SKU
BODY = '{"client_ref": "%s", "channel": "web", "country": "United Kingdom", "placed_at": "2026-12-01T10:00:00Z", \
"lines": [{"sku": "bench-%d", "quantity": 1, "unit_price_minor": 295, "description": "a mug"}]}'


@dataclass
class Flow:
    """What came of one flow. Times are seconds from when a request was due until its answer was whole."""

    told: Mapping[str, Any]
    came: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    returned: int = 0
    returned_well: int = 0

    def to_json(self) -> dict[str, Any]:
        times = sorted(self.took)
        share = {name: times[min(len(times) - 1, int(len(times) * part))] for name, part in PARTS} if times else {}
        kept = {"came": self.came, "returned": self.returned, "returned_well": self.returned_well}
        return {**kept, **self.ended, "took_s": {name: round(value, 4) for name, value in share.items()}}


PARTS = (("p50", 0.5), ("p99", 0.99), ("most", 1.0))


async def run(load: Mapping[str, Any]) -> dict[str, Any]:
    """Until all that came has ended."""
    rng, loop = random.Random(load["seed"]), asyncio.get_running_loop()
    flows = [Flow(told) for told in load["flows"]]
    begin = loop.time() + 0.1
    async with asyncio.TaskGroup() as group:
        for flow in flows:
            group.create_task(_arrivals(group, flow, load, begin, random.Random(rng.random())))
    return {flow.told["name"]: flow.to_json() for flow in flows}


async def _arrivals(
    group: asyncio.TaskGroup, flow: Flow, load: Mapping[str, Any], begin: float, rng: random.Random
) -> None:
    loop, due = asyncio.get_running_loop(), begin
    while (due := due + rng.expovariate(flow.told["per_s"])) < begin + load["seconds"]:
        await asyncio.sleep(due - loop.time())
        group.create_task(_request(flow, load["port"], due, rng, counts=due >= begin + load["skip_s"]))


async def _request(flow: Flow, port: int, due: float, rng: random.Random, *, counts: bool) -> None:
    told, loop = flow.told, asyncio.get_running_loop()
    data = _written(told, rng)
    said, again_s = await _asked(port, data, due + told["deadline_s"])
    ended, comes_back = loop.time(), said == "refused" and again_s is not None
    if comes_back:
        assert again_s is not None
        due = loop.time() + again_s
        await asyncio.sleep(again_s)
        said, _ = await _asked(port, data, due + told["deadline_s"])
        ended = loop.time()
    if counts:
        flow.came += 1
        flow.ended[said] += 1
        flow.returned += comes_back
        flow.returned_well += comes_back and said == "good"
        if said == "good":
            flow.took.append(ended - due)


def _written(told: Mapping[str, Any], rng: random.Random) -> bytes:
    fields, body = dict(told.get("fields", {})), ""
    if told.get("orders"):
        body = BODY % (secrets.token_hex(6), rng.randrange(SKUS))
        fields |= {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(8)}
        fields["Content-Length"] = str(len(body))
    lines = [f"{told['method']} {rng.choice(told['paths'])} HTTP/1.1", "Host: bench", "Connection: close"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in fields.items()), "", body]).encode()


async def _asked(port: int, data: bytes, by: float) -> tuple[str, float | None]:
    """What became of it: good, refused, late, failed; and after how long it may come again."""
    writer = None
    try:
        async with asyncio.timeout_at(by):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            answer = await reader.read(-1)
    except TimeoutError:
        return "late", None
    except OSError:
        return "failed", None
    finally:
        if writer is not None:
            writer.transport.abort()
    head = answer.partition(b"\r\n\r\n")[0].lower()
    status = int(head[9:12] or b"0")
    if status in (429, 503):
        after = head.partition(b"\r\nretry-after:")[2].partition(b"\r\n")[0].strip()
        return "refused", float(after) if after else None
    return "good" if 200 <= status < 300 else "failed", None


if __name__ == "__main__":
    json.dump(asyncio.run(run(json.load(sys.stdin))), sys.stdout)
