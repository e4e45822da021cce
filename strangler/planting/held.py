"""A claim of a coming event that somebody else holds: the event is stuck behind it, and only late."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import threading
from collections.abc import Callable
from typing import LiteralString

from strangler.errors import RefusedError
from strangler.planting.world import Planted, World
from strangler.step.intents import first_number

HOLD_LIMIT_S = 900.0
STUCK = "stuck_event"
VERSIONS = 10  # held of the subject: its first may say nothing to the step, which acts on a later one

HOLD_CLAIM: LiteralString = """
INSERT INTO claim (subject_ref, step, number, kind, epoch)
SELECT %(ref)s, %(step)s, number, 'applied', 0 FROM unnest(%(numbers)s::integer[]) AS held (number) ORDER BY number
ON CONFLICT DO NOTHING"""


def hold_claim(world: World, subject_ref: str, say: Callable[[Planted], None]) -> None:
    """Hold the first claims of a subject that is still to come, uncommitted, until SIGTERM or until a piped stdin is
    closed; says `ready stuck_event` on stdout when it does. `RefusedError` where the step has handled it already.
    """
    let_go, numbers = threading.Event(), [first_number(version) for version in range(1, VERSIONS + 1)]
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: let_go.set())
    values = {"ref": subject_ref, "step": world.step, "numbers": numbers}
    with world.context.transaction(force_rollback=True):
        if world.context.execute(HOLD_CLAIM, values).rowcount < VERSIONS:
            raise RefusedError(f"{world.step} has handled {subject_ref} already; name one that is still to come")
        say(Planted(STUCK, world.step, subject_ref, numbers[0], "late"))
        if world.dry_run:
            return
        sys.stdout.write(f"ready {STUCK}\n")
        sys.stdout.flush()
        _wait(let_go)


def _wait(let_go: threading.Event) -> None:
    """A piped stdin that closes lets go too: the parent is gone. /dev/null and terminals say nothing."""
    piped = stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode)
    for _ in range(int(HOLD_LIMIT_S / 0.1)):
        if let_go.wait(0.1) or (piped and select.select([sys.stdin], [], [], 0)[0] and not sys.stdin.read(1)):
            return
