"""The command as a group of processes: stopped and continued together, told to end, killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

from strangler.errors import BadInput


class Child:
    """A group of its own in our session: should we be killed while it is stopped, the system continues it (SIGHUP,
    then SIGCONT) unless who inherits it is of the session, too; and Ctrl-C is ours to pass on. What makes a group or
    session of its own, as GNU timeout and setsid do, is out of reach. `ended` is called, from a thread, at its end.
    """

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], ended: Callable[[], None]) -> None:
        try:
            # A group in the background that reads the terminal would be stopped by it.
            stdin = subprocess.DEVNULL if sys.stdin is None or sys.stdin.isatty() else None
            self._process = subprocess.Popen(argv, env=dict(environ), stdin=stdin, process_group=0)
        except OSError as error:
            raise BadInput(f"{argv[0]!r} cannot be run: {error.strerror}; give a command that is there") from error
        self._ended, self.stopped = ended, False
        threading.Thread(target=self._watch, name="child", daemon=True).start()

    @property
    def exit_code(self) -> int | None:
        """As a shell tells it: 128 + N after signal N. None while it runs."""
        code = self._process.returncode
        return code if code is None or code >= 0 else 128 - code

    def stop(self) -> None:
        self._send(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        self._send(signal.SIGCONT)
        self.stopped = False

    def end(self, by: signal.Signals) -> None:
        """A stopped process hears it only once it is continued."""
        self._send(by)
        self.go_on()

    def group_lives(self) -> bool:
        """Whether any process of it is left, also of those that the command has started and not waited for."""
        try:
            os.killpg(self._process.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # another user's by now
            return True
        return True

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, which: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, which)

    def _watch(self) -> None:
        self._process.wait()
        self._ended()
