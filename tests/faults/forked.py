"""A child process of a fault run, forked where the libraries of the application are loaded: that takes the time.

What it runs imports the application itself: that reads where to stop, and how long to wait, from its environment.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

# For the children: all but what reads the environment.
import legacy_app.monolith.models  # noqa: F401
import strangler.continuation.outcomes
import strangler.continuation.runner
import strangler.flask  # noqa: F401

FAILED = 70


def fork(log: Path, environ: Mapping[str, str], body: Callable[[], int]) -> int:
    """Run `body` in a child whose exit code it is, `FAILED` for what it raises; the child's pid. The caller has no
    threads.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = FAILED
    try:
        with log.open("ab", buffering=0) as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.environ.update(environ)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        code = body()
    except BaseException:  # noqa: BLE001 - the child's edge
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
