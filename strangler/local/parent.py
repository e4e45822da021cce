"""A child asks the kernel for a signal when its parent ends. Linux only; elsewhere nothing is asked."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def dies_with_parent(death_signal: int) -> Callable[[], None] | None:
    """Called by the parent before it forks; the answer is called by the child, after any change of user.

    The kernel means the parent's forking THREAD: fork from one that lives as long as the child shall.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl  # found now: between fork and exec nothing may be imported or locked
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we asked
            os._exit(1)

    return ask
