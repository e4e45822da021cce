"""A process whose loop stands still ends, and says where: its parent starts another one."""

from __future__ import annotations

import asyncio
import faulthandler

HANGS_AFTER_S = 30.0
_LOOKS_EVERY_S = 1.0


def end_if_it_hangs(loop: asyncio.AbstractEventLoop, within_s: float = HANGS_AFTER_S) -> None:
    """From now on: with code 1, and where each thread is on stderr, when the loop has not turned for so long."""
    faulthandler.dump_traceback_later(within_s, exit=True)
    loop.call_later(min(_LOOKS_EVERY_S, within_s / 2), end_if_it_hangs, loop, within_s)
