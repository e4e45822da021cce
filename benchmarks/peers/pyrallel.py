"""Pyrallel-Consumer, ordered by key, with blocking work on threads: the arrangement of its own benchmark.

Arguments: bootstrap, topic, group, events, milliseconds of work. Prints events per second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from pyrallel_consumer import ExecutionMode, KafkaConfig, OrderingMode, PyrallelConsumer, WorkItem

THREADS = 100
KEYS = 100


async def main(*arguments: str) -> float:
    bootstrap, topic, group = arguments[:3]
    events, work_s = int(arguments[3]), int(arguments[4]) / 1000
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    config = KafkaConfig(BOOTSTRAP_SERVERS=bootstrap, CONSUMER_GROUP=group, dlq_enabled=False)
    config.parallel_consumer.ordering_mode = OrderingMode.KEY_HASH
    config.parallel_consumer.worker_pool_size = KEYS  # its shards of keys: as many as there are keys
    config.parallel_consumer.execution.mode = ExecutionMode.ASYNC
    begun, seen, done = 0.0, 0, asyncio.Event()

    async def work(_item: WorkItem) -> None:
        nonlocal begun, seen
        begun = begun or time.monotonic()
        await asyncio.to_thread(time.sleep, work_s)
        seen += 1
        if seen == events:
            done.set()

    consumer = PyrallelConsumer(config=config, worker=work, topic=topic)
    await consumer.start()
    await done.wait()
    ended = time.monotonic()
    await consumer.stop()
    return seen / (ended - begun)


if __name__ == "__main__":
    print(asyncio.run(main(*sys.argv[1:])))
