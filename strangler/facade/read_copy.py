"""A read on its way to be compared: what a worker hands to the process that compares, without waiting for it."""

from __future__ import annotations

import json
import socket
import sys
from dataclasses import dataclass

from strangler.facade.message import Headers
from strangler.reads.account import Why

BODY_BYTES = 64 * 1024  # of an answer; the larger ones are dropped
MESSAGE_BYTES = BODY_BYTES + 128 * 1024  # with a request's head, which is bounded, too
_BUFFER_BYTES = 1024 * 1024  # what the system holds between two looks; it may allow less


@dataclass(frozen=True, slots=True)
class ReadCopy:
    """A read that legacy has answered. `sent`: the request's fields for legacy, `fields` those of its answer."""

    read: str
    epoch: int
    target: str
    sent: Headers
    status: int
    fields: Headers
    body: bytes

    @property
    def weight(self) -> int:
        return len(self.body) + sum(len(name) + len(value) for name, value in (*self.sent, *self.fields))

    def packed(self) -> bytes:
        head = [self.read, self.epoch, self.target, list(self.sent), self.status, list(self.fields)]
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def unpacked(cls, message: bytes) -> ReadCopy:
        head, _, body = message.partition(b"\n")
        read, epoch, target, sent, status, fields = json.loads(head)
        return cls(read, epoch, target, [(n, v) for n, v in sent], status, [(n, v) for n, v in fields], body)


def message_pair() -> tuple[socket.socket, socket.socket]:
    """Ends for workers and for who compares: whole messages, and each one's end is heard when all of it are closed."""
    kind = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
    sending, receiving = socket.socketpair(socket.AF_UNIX, kind)
    for each in (sending, receiving):
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return sending, receiving


def refused_hand_over(sending: socket.socket, copy: ReadCopy) -> Why | None:
    """Why it was not handed over, at once: it is longer than is read there, or no room, or nobody who compares. None
    where it was.
    """
    message = copy.packed()
    if len(message) > MESSAGE_BYTES:
        return Why.TOO_LARGE
    try:
        sending.send(message)
    except OSError:
        return Why.QUEUE_FULL
    return None
