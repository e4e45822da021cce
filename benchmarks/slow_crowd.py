"""A crowd that asks for nothing: `python -m benchmarks.slow_crowd PORT IDLE SLOW`, until its stdin ends.

IDLE sockets say nothing, SLOW ones have begun a head and send a byte of it each second. Says "there" once all are.
"""

from __future__ import annotations

import asyncio
import resource
import sys

EVERY_S = 1.0


async def slow(port: int) -> None:
    """One client that never comes to the end of its head."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /x HTTP/1.1\r\nHost: bench\r\nX-Slow: ")
    while True:
        await asyncio.sleep(EVERY_S)
        writer.write(b"x")


async def main(port: int, idle: int, heads: int) -> None:
    waiting = [await asyncio.open_connection("127.0.0.1", port) for _ in range(idle)]
    tasks = []
    for number in range(heads):
        tasks.append(asyncio.create_task(slow(port)))
        if number % 50 == 49:
            await asyncio.sleep(EVERY_S / heads * 50)  # spread over the second, as clients are
    print("there", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    ended = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    for _, writer in waiting:
        writer.transport.abort()
    if ended:
        sys.exit(f"{len(ended)} slow clients were hung up on")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (16_384, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    asyncio.run(main(*map(int, sys.argv[1:4])))
