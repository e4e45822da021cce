"""A child that goes behind: it yields the processor to those who answer customers."""

from __future__ import annotations

import os
import time

NICENESS = 10
AUTOGROUP = "/proc/self/autogroup"
TRIES, REST_S = 50, 0.05  # without privilege the kernel takes one change in a tenth of a second, of all processes


def go_behind() -> None:
    """Called by a child between fork and exec, in a session of its own.

    Where the kernel schedules by sessions (`sched_autogroup_enabled`, as on most machines), niceness alone only
    counts inside one: there the whole session is made nice.
    """
    os.nice(NICENESS)
    for _ in range(TRIES):
        if _session_is_behind():
            return
        time.sleep(REST_S)


def _session_is_behind() -> bool:
    """False: the kernel will not hear of it now. True also where it does not schedule by sessions."""
    try:
        group = os.open(AUTOGROUP, os.O_WRONLY)
    except OSError:
        return True
    try:
        os.write(group, b"%d" % NICENESS)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        os.close(group)
    return True
