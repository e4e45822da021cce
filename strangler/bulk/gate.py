"""Where a command's processes ask for their next unit: a socket that is theirs alone. A line is a question."""

from __future__ import annotations

import contextlib
import selectors
import shutil
import socket
import tempfile
from collections import deque
from pathlib import Path

from strangler.errors import BadInput

MOST_ASKERS = 256  # processes of one command; others wait to be connected
LINES_BYTES = 4096


class Gate:
    """Of one thread. `wake` may be called from others. `BadInput` where no socket can be made."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="bulk-"))  # 0700: nobody else's
        self.path = str(self._folder / "gate")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(self.path)
        except OSError as error:
            self._listener.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise BadInput(f"no socket can be made at {self.path}: {error}; set TMPDIR to a short path") from error
        self._listener.listen(MOST_ASKERS)
        self._waker, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        for one in (self._listener, self._woken):
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ)
        self._askers: set[socket.socket] = set()
        self._asking: deque[socket.socket] = deque()
        self.units = 0

    @property
    def asked(self) -> bool:
        """Whether anybody asks, or has asked and may ask again."""
        return bool(self._askers or self.units)

    @property
    def asking(self) -> int:
        """Processes that wait for their next unit."""
        return len(self._asking)

    def wait(self, most_s: float) -> None:
        """Until somebody asks, or `wake` was called."""
        for key, _ in self._selector.select(most_s):
            match key.fileobj:
                case self._listener:
                    self._accept()
                case self._woken:
                    with contextlib.suppress(BlockingIOError):
                        self._woken.recv(LINES_BYTES)
                case socket.socket() as asker:
                    self._hear(asker)

    def wake(self) -> None:
        with contextlib.suppress(OSError):  # full or closed: it is awake
            self._waker.send(b"x")

    def let_one(self) -> None:
        """The unit of whoever has waited longest begins."""
        asker = self._asking.popleft()
        self.units += 1
        try:
            asker.send(b"go\n")
        except OSError:
            self._forget(asker)

    def refuse(self) -> None:
        """Whoever asks, or will, hears that no unit begins any more."""
        for asker in tuple(self._askers):
            self._forget(asker)
        if self._listener.fileno() >= 0:
            self._selector.unregister(self._listener)
            self._listener.close()

    def close(self) -> None:
        self.refuse()
        for one in (self._waker, self._woken):
            one.close()
        self._selector.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            asker, _ = self._listener.accept()
            asker.setblocking(False)
            self._askers.add(asker)
            self._selector.register(asker, selectors.EVENT_READ)

    def _hear(self, asker: socket.socket) -> None:
        try:
            said = asker.recv(LINES_BYTES)
        except OSError:
            said = b""
        if said:
            self._asking.extend([asker] * said.count(b"\n"))
        else:
            self._forget(asker)

    def _forget(self, asker: socket.socket) -> None:
        self._askers.discard(asker)
        self._asking = deque(one for one in self._asking if one is not asker)
        self._selector.unregister(asker)
        asker.close()
