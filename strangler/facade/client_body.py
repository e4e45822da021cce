"""A request's body as the client sends it: bounded when kept, and its failures told apart from the application's."""

from __future__ import annotations

from strangler.facade.message import Body, Framing
from strangler.facade.problem import BODY_INCOMPLETE, BODY_SLOW, BODY_TOO_LARGE, Problem


class ClientGone(Exception):
    """The client stopped in the middle of its body. `problem` is what it is told if it still listens."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.kind)
        self.problem = problem


class ClientBody:
    """Reads from the server's stream; `ClientGone` for whatever goes wrong between client and server."""

    def __init__(self, stream: Body) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        try:
            return self._stream.read(size)
        except TimeoutError as error:
            raise ClientGone(BODY_SLOW) from error
        except OSError as error:
            raise ClientGone(BODY_INCOMPLETE) from error


def read_all(body: Body, framing: Framing, limit_bytes: int) -> bytes | Problem:
    """The whole body, or why not."""
    if framing.empty:
        return b""
    if (framing.length or 0) > limit_bytes:
        return BODY_TOO_LARGE
    try:
        data = body.read(limit_bytes + 1 if framing.chunked else framing.length or 0)
    except ClientGone as gone:
        return gone.problem
    if len(data) > limit_bytes:
        return BODY_TOO_LARGE
    if framing.length is not None and len(data) < framing.length:
        return BODY_INCOMPLETE
    return data
