"""Writes down which functions of ours a process calls, each once in a window, while a window is open."""

from __future__ import annotations

import mmap
import os
import sys
import threading
import time
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import FrameType

FOLDER = "WALK_FOLDER"
WINDOW = "window"  # a file of one byte that all processes map: the window's number, 0 while none is open
ROOT = Path(__file__).resolve().parents[2]
OURS = tuple(f"{ROOT / package}{os.sep}" for package in ("outbox", "strangler", "legacy_app", "new_services"))
# From the call of one of these on, the process works for a request that has waited for what was taken over.
WAITING = ("legacy_app/waiting.py: Waiting.finish", "strangler/seam/await_outcome.py: Waiting.finish")


class Recorder:
    """Told of every call by `sys.settrace`; a child that is forked writes a file of its own. `label`: which process."""

    def __init__(self, folder: Path, label: str) -> None:
        with (folder / WINDOW).open("r+b") as file:
            self.window = mmap.mmap(file.fileno(), 1)
        self._folder, self._label = folder, label
        self._part = 0
        self._seen: set[tuple[int, int]] = set()
        self._file, self._pid = -1, 0

    def called(self, frame: FrameType) -> None:
        window, code = self.window[0], frame.f_code
        if (id(code), window) in self._seen:
            return
        self._seen.add((id(code), window))
        # A lambda or a comprehension is part of the function around it; the body of a module or class is no function.
        is_function = code.co_flags & CO_OPTIMIZED and "<" not in code.co_qualname.rpartition(".")[2]
        if is_function and code.co_filename.startswith(OURS):
            name = code.co_qualname.replace(".<locals>", "")
            self._write(window, f"{Path(code.co_filename).relative_to(ROOT)}: {name}")

    def _write(self, window: int, function: str) -> None:
        if function in WAITING and not self._part:
            self._part = 1
            self._seen.clear()  # what it has called before, it calls again for another reason
        if self._pid != os.getpid():
            # First the file, then the number that says so: other threads look at it.
            self._file = os.open(self._folder / f"{os.getpid()}.calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._pid = os.getpid()
        line = f"{window}\t{time.monotonic_ns()}\t{self._label}\t{self._part}\t{function}\n"
        os.write(self._file, line.encode())


def record(folder: Path, label: str) -> None:
    """From now on, in this thread and in all that start from now on; lines and returns are not asked for."""
    recorder = Recorder(folder, label)
    window, called = recorder.window, recorder.called

    def trace(frame: FrameType, _event: str, _value: object) -> None:
        if window[0]:
            called(frame)

    threading.settrace(trace)
    sys.settrace(trace)


def stop() -> None:
    threading.settrace(None)
    sys.settrace(None)
