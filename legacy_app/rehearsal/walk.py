"""The walk: stages moved while orders flow, the relay killed, a step rolled back and forward. It waits on counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from legacy_app.rehearsal.scene import Scene
from outbox import PsycopgConnection
from strangler.errors import Refused, RefusedError
from strangler.operating import Stage, advance, hand_back, rollback
from strangler.shared_state import Holder, WantedMove, move

ACTOR, REASON = "rehearsal", "rehearsed"
HAND_BACK_WITHIN_S = 5.0  # what is not committed by then stays with the new side, which finishes it
MoveT = TypeVar("MoveT")
_PINNED = "SELECT count(*) FROM strangler.ownership"


class Walk:
    """Moves the stages of every taken-over step as the share of pinned orders grows; `kills` counts the relay's.

    `expected` is the number of orders to come; `flowing` says whether more are coming: when they end early, the walk
    goes on without waiting, so that it always ends at live. `connection` must be in autocommit.
    """

    def __init__(self, scene: Scene, connection: PsycopgConnection, expected: int, flowing: Callable[[], bool]) -> None:
        self._scene, self._connection, self._expected, self._flowing = scene, connection, expected, flowing
        self.kills = 0

    def run(self) -> None:
        """Walk from legacy to live: the tail with one demotion on the way, then the middle, from its end."""
        steps = self._scene.plan.taken_over()
        self._at(0.08, "all steps to shadow: legacy acts, the new side only records")
        for step in steps:
            self._advance(step.name, Stage.SHADOW)
        self._tail([step.name for step in steps if not step.awaited])
        self._middle([step.name for step in reversed(steps) if step.awaited])

    def _tail(self, names: Sequence[str]) -> None:
        first, *others = names
        self._at(0.18, "ramp 25%: the new side acts on a quarter of the new orders")
        for name in names:
            self._advance(name, Stage.RAMP, 2500)
        self._at(0.28, "kill -9 the relay, and start it again")
        self._kill_relay()
        self._at(0.35, f"{first} to live, the others to 60%")
        self._advance(first, Stage.LIVE)
        for name in others:
            self._advance(name, Stage.RAMP, 6000)
        self._at(0.42, f"roll {first} back under load: new orders stop at once, unstarted ones return to legacy")
        self._roll_back(first)
        self._at(0.50, "forward again: the tail to live")
        for name in names:
            self._advance(name, Stage.RAMP, 9000)
            self._advance(name, Stage.LIVE)

    def _middle(self, names: Sequence[str]) -> None:
        """The chain waits for what the new side makes of these: the last goes first, so that few orders wait long."""
        for place, name in enumerate(names):
            self._at(0.56 + 0.08 * place, f"{name} to ramp 50%: the chain waits for its outcome")
            self._advance(name, Stage.RAMP, 5000)
        self._at(0.82, "the whole chain to live")
        for name in names:
            self._advance(name, Stage.RAMP, 9000)
            self._advance(name, Stage.LIVE)
        for resource in self._scene.plan.shared:
            self._move_authority(resource)

    def _move_authority(self, resource: str) -> None:
        plan = self._scene.plan
        shared = plan.shared[resource]
        wanted = WantedMove(resource, shared, plan.steps_of(resource), Holder.NEW, ACTOR, REASON)
        moved = _done(move(self._connection, wanted))
        fenced_ms = moved.evidence["fenced_ms"]
        self._scene.narrator.say(f"     {shared.what}: the new side is writer of record now; fenced for {fenced_ms} ms")

    def _at(self, share: float, what: str) -> None:
        due = int(self._expected * share)
        while (pinned := self._pinned()) < due and self._flowing():
            self._scene.narrator.progress(f"{pinned} of {self._expected} orders through the facade")
            time.sleep(0.02)
        self._scene.narrator.say(f"{pinned:4d} orders in: {what}")

    def _pinned(self) -> int:
        row = self._connection.execute(_PINNED).fetchone()
        return int(row[0]) if row else 0

    def _advance(self, step: str, to: Stage, ramp_bp: int | None = None) -> None:
        """Anyway: a rehearsal moves under load, and all of it is judged at the end."""
        made = partial(advance, self._connection, self._scene.plan, step, to=to, ramp_bp=ramp_bp)
        _done(made(actor=ACTOR, reason=REASON, anyway=True))

    def _roll_back(self, step: str) -> None:
        scene = self._scene
        _done(rollback(self._connection, scene.plan, step, actor=ACTOR, reason=REASON))
        outcome = hand_back(scene.plan, scene.environ, step, actor=ACTOR, reason=REASON, timeout_s=HAND_BACK_WITHIN_S)
        scene.narrator.say(
            f"     {outcome.handed_back} handed back to legacy; {outcome.started} had been started, and finish"
        )

    def _kill_relay(self) -> None:
        self._scene.system.running["relay"].kill()
        self._scene.system.restart("relay")
        self.kills += 1


def _done(result: MoveT | Refused) -> MoveT:
    """A rehearsal asks only for moves that must be granted."""
    if isinstance(result, Refused):
        raise RefusedError(f"{result.reason}; {result.next_step}")
    return result
