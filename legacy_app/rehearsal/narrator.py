"""The voice of the rehearsal: numbered acts in plain words, progress only on a terminal. Talk goes to stderr."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO


class Narrator:
    """Says what happens and since when. One thread speaks at a time; the rehearsal's."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._clock = out, clock
        self._started, self._acts, self._progress = clock(), 0, False

    @property
    def elapsed_s(self) -> float:
        return self._clock() - self._started

    def act(self, title: str) -> None:
        """Begin the next act."""
        self._acts += 1
        self._line(f"\n{self._acts}. {title}")

    def say(self, text: str) -> None:
        """One sentence, with the seconds since the start."""
        self._line(f"   {self.elapsed_s:5.1f} s  {text}")

    def progress(self, text: str) -> None:
        """Overwrite the last progress line; silent where nobody watches."""
        if self._out.isatty():
            self._progress = True
            print(f"\r   {self.elapsed_s:5.1f} s  {text:<90}", end="", file=self._out, flush=True)

    def _line(self, text: str) -> None:
        if self._progress:
            print("\r" + " " * 104 + "\r", end="", file=self._out)
            self._progress = False
        print(text, file=self._out, flush=True)
