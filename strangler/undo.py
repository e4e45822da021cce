"""The way back from moves, as commands. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from strangler.stages import ORDER, PLACE, Move, Stage, percent


def undo_of(moves: Sequence[Move]) -> str:
    """The commands that bring the step back to where the first move began; some reason is added by who types them."""
    step, goal, goal_bp = moves[0].step, moves[0].from_stage, moves[0].from_bp
    here, here_bp = moves[-1].to_stage, moves[-1].to_bp
    if here is Stage.RETIRED:
        return "no way back from retired"
    commands = []
    if PLACE[here] > PLACE[goal]:
        commands.append(f"strangler rollback {step} --reason ...")
        here_bp = 0  # where a rollback lands
    for stage in ORDER[PLACE[here] + 1 : PLACE[goal] + 1]:
        commands.append(_advance(step, stage, goal_bp))
        here_bp = goal_bp
    if here_bp != goal_bp:
        commands.append(_advance(step, Stage.RAMP, goal_bp))
    return " && ".join(commands)


def _advance(step: str, to: Stage, ramp_bp: int) -> str:
    ramp = f" --ramp {percent(ramp_bp)}" if to is Stage.RAMP else ""
    return f"strangler advance {step} --to {to}{ramp} --reason ..."
