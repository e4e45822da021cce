"""Clients that come when they come, however slow answers are: `python -m legacy_app.rehearsal.peak_clients LOAD.json`.

A load: `port`, `seconds`, `skip_s` (who comes before is not counted), `seed` and `flows`, each with `name`, `per_s`,
`method`, `paths`, `fields`, `deadline_s` and `bodies`: orders, each sent with a client and a key of its own. Who is
refused with a Retry-After heeds it, once. Prints, of each flow, what became of those who came.
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
from pathlib import Path
from typing import Any

PARTS = (("p50", 0.5), ("p99", 0.99), ("most", 1.0))
REFUSED = (429, 503)


@dataclass
class Flow:
    """What came of one flow. Times are seconds from when a request was due until its answer was whole."""

    told: Mapping[str, Any]
    came: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    good_meanwhile: int = 0
    returned: int = 0
    returned_well: int = 0

    def to_json(self) -> dict[str, Any]:
        """`good`, `refused`, `late` and `failed` add up to `came`; of those that `returned`, some went well.
        `good_meanwhile`: good answers between `skip_s` and `seconds`, whenever it was asked for them.
        """
        times = sorted(self.took)
        took_s = {name: round(times[min(len(times) - 1, int(len(times) * part))], 4) for name, part in PARTS if times}
        ended = {name: self.ended[name] for name in ("good", "refused", "late", "failed")}
        returned = {"returned": self.returned, "returned_well": self.returned_well}
        return {"came": self.came, **ended, "good_meanwhile": self.good_meanwhile, **returned, "took_s": took_s}


async def run(load: Mapping[str, Any]) -> dict[str, Any]:
    """Until all that came has ended."""
    draw = random.Random(load["seed"])  # noqa: S311 - it plays clients
    flows = [Flow(told) for told in load["flows"]]
    begin = asyncio.get_running_loop().time() + 0.1
    async with asyncio.TaskGroup() as group:
        for flow in flows:
            group.create_task(_arrivals(group, flow, load, begin, random.Random(draw.random())))  # noqa: S311
    return {flow.told["name"]: flow.to_json() for flow in flows}


async def _arrivals(
    group: asyncio.TaskGroup, flow: Flow, load: Mapping[str, Any], begin: float, draw: random.Random
) -> None:
    loop, due = asyncio.get_running_loop(), begin
    while (due := due + draw.expovariate(flow.told["per_s"])) < begin + load["seconds"]:
        await asyncio.sleep(due - loop.time())
        data = _written(flow.told, draw)
        counted = begin + load["skip_s"], begin + load["seconds"]
        group.create_task(_request(flow, load["port"], data, due, counted))


async def _request(flow: Flow, port: int, data: bytes, due: float, counted: tuple[float, float]) -> None:
    counts, deadline_s, loop = due >= counted[0], flow.told["deadline_s"], asyncio.get_running_loop()
    said, again_s = await _asked(port, data, due + deadline_s)
    comes_back = again_s is not None
    if again_s is not None:
        await asyncio.sleep(again_s)
        due = loop.time()
        said, _ = await _asked(port, data, due + deadline_s)
    flow.good_meanwhile += said == "good" and counted[0] <= loop.time() < counted[1]
    if counts:
        flow.came += 1
        flow.ended[said] += 1
        flow.returned += comes_back
        flow.returned_well += comes_back and said == "good"
        if said == "good":
            flow.took.append(loop.time() - due)


def _written(told: Mapping[str, Any], draw: random.Random) -> bytes:
    fields, body = dict(told.get("fields", {})), ""
    if told.get("bodies"):
        body = json.dumps({**draw.choice(told["bodies"]), "client_ref": secrets.token_hex(8)})
        fields |= {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(8)}
        fields["Content-Length"] = str(len(body.encode()))
    lines = [f"{told['method']} {draw.choice(told['paths'])} HTTP/1.1", "Host: shop.example", "Connection: close"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in fields.items()), "", body]).encode()


async def _asked(port: int, data: bytes, by: float) -> tuple[str, float | None]:
    """What became of it, and after how long it may come again."""
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
    if status in REFUSED:
        after = head.partition(b"\r\nretry-after:")[2].partition(b"\r\n")[0].strip()
        return "refused", float(after) if after else None
    return "good" if 200 <= status < 300 else "failed", None


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(asyncio.run(run(json.loads(Path(sys.argv[1]).read_text()))))}\n")
