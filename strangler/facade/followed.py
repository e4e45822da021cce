"""An answer that passes through, followed to its end: what comes of it, and once how it ended."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TypeAlias

from strangler.facade.exchange import Broke
from strangler.facade.message import Streamed


class Whole(Enum):
    """How a body ended that did not break."""

    YES = auto()
    NO = auto()  # its client has left, or it was given up


BodyEnd: TypeAlias = Whole | Broke


def _nothing(_: bytes) -> None:
    pass


class Followed:
    """The same body. `came` is told each piece, `ended` once how it ended, as soon as that is known."""

    def __init__(
        self, body: Streamed, ended: Callable[[BodyEnd], object], came: Callable[[bytes], object] = _nothing
    ) -> None:
        self._body, self._ended, self._came = body, ended, came
        self._told = False

    @property
    def uploading(self) -> bool:
        return self._body.uploading

    def ready(self) -> tuple[bytes, bool]:
        piece, ended = self._body.ready()
        self._came(piece)
        if ended:
            self._tell(Whole.YES)
        return piece, ended

    async def read(self) -> bytes:
        try:
            piece = await self._body.read()
        except Broke as broke:
            self._tell(broke)
            raise
        self._came(piece)
        if not piece:
            self._tell(Whole.YES)
        return piece

    def close(self) -> None:
        try:
            self._body.close()
        finally:
            self._tell(Whole.NO)

    def _tell(self, end: BodyEnd) -> None:
        if not self._told:
            self._told = True
            self._ended(end)
