"""FastStream on aiokafka, as its documentation has it: one handler call per event, partitions side by side.

Arguments: bootstrap, topic, group, DSN, events, partitions. Prints events per second of the handler below: an inbox
row and the effect in one transaction per event, so that a repeat changes nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time

# A folder of scripts is first on the path, where this file would hide the framework it is about.
sys.path.pop(0)

import psycopg
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

INBOX = "INSERT INTO inbox (event_id) VALUES (%s) ON CONFLICT DO NOTHING RETURNING true"
EFFECT = "INSERT INTO effects (order_ref, version) VALUES (%s, %s)"


async def main(*arguments: str) -> float:
    bootstrap, topic, group, dsn = arguments[:4]
    events, partitions = map(int, arguments[4:])
    broker = KafkaBroker(bootstrap)
    app = FastStream(broker, logger=None)
    free: asyncio.Queue[psycopg.AsyncConnection[tuple[object, ...]]] = asyncio.Queue()
    for _ in range(partitions):
        free.put_nowait(await psycopg.AsyncConnection.connect(dsn))
    begun, seen = 0.0, 0

    @broker.subscriber(  # type: ignore[untyped-decorator, unused-ignore] # FastStream may not be installed
        topic, group_id=group, auto_offset_reset="earliest", max_workers=partitions, ack_policy=AckPolicy.ACK
    )
    async def handle(message: KafkaMessage) -> None:
        nonlocal begun, seen
        begun = begun or time.monotonic()
        raw = message.raw_message
        headers = dict(raw.headers)
        connection = await free.get()
        async with connection.transaction():
            new = await (await connection.execute(INBOX, [headers["id"].decode()])).fetchone()
            if new:
                await connection.execute(EFFECT, [raw.key.decode(), int(headers["version"])])
        free.put_nowait(connection)
        seen += 1
        if seen == events:
            app.exit()

    await app.run()
    return seen / (time.monotonic() - begun)


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:])))
