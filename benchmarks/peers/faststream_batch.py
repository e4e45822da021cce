"""FastStream on aiokafka in its batch mode: one handler call and one transaction for up to 1,024 events, as our runs.

Arguments: bootstrap, topic, group, DSN, events, partitions (not needed: its batches come one after another). Prints
events per second of the handler below: an inbox row and an effect for each event, so that a repeat changes nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time

# A folder of scripts is first on the path, where this file's neighbour would hide the framework it is about.
sys.path.pop(0)

import psycopg
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

RECORDS = 1_024
INBOX = "INSERT INTO inbox (event_id) SELECT * FROM unnest(%s::uuid[]) ON CONFLICT DO NOTHING RETURNING event_id::text"
EFFECTS = "INSERT INTO effects (order_ref, version) SELECT * FROM unnest(%s::text[], %s::bigint[])"


async def main(*arguments: str) -> float:
    bootstrap, topic, group, dsn, events = arguments[:5]
    broker = KafkaBroker(bootstrap)
    app = FastStream(broker, logger=None)
    connection = await psycopg.AsyncConnection.connect(dsn)
    begun, seen = 0.0, 0

    @broker.subscriber(  # type: ignore[untyped-decorator, unused-ignore] # FastStream may not be installed
        topic,
        group_id=group,
        auto_offset_reset="earliest",
        batch=True,
        max_records=RECORDS,
        ack_policy=AckPolicy.ACK,
    )
    async def handle(message: KafkaMessage) -> None:
        nonlocal begun, seen
        begun = begun or time.monotonic()
        read = [(dict(raw.headers), raw.key.decode()) for raw in message.raw_message]
        effects = {headers["id"].decode(): (key, int(headers["version"])) for headers, key in read}
        async with connection.transaction():
            rows = await (await connection.execute(INBOX, [list(effects)])).fetchall()
            new = [effects[event_id] for (event_id,) in rows]
            await connection.execute(EFFECTS, [[key for key, _ in new], [version for _, version in new]])
        seen += len(read)
        if seen == int(events):
            app.exit()

    await app.run()
    return seen / (time.monotonic() - begun)


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:])))
