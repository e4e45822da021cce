"""What is sent in small pieces leaves at once."""

from __future__ import annotations

import asyncio
import socket

from strangler.facade.client_link import ClientLink, Patience
from strangler.facade.clients import Clients


def test_an_answer_in_two_pieces_does_not_wait_for_an_acknowledgement() -> None:
    async def option() -> int:
        loop, seen = asyncio.get_running_loop(), asyncio.Queue[int]()

        async def look(client: ClientLink) -> None:
            accepted = client.transport.get_extra_info("socket")
            await seen.put(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            client.abort()

        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            clients = Clients(loop, Patience(), look, most=1)
            server = await loop.create_server(clients.link, sock=listening)
            async with server:
                _, writer = await asyncio.open_connection(*listening.getsockname())
                found = await asyncio.wait_for(seen.get(), 10)
                writer.close()
                return found

    assert asyncio.run(option()) != 0
