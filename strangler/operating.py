"""What the verbs of the command do, as functions: for a rehearsal, a game day, or tests of your own.

Each asks for the plan, and for connections or the environment of its process; what is refused raises `Refused`, with
what to do. Names are loaded when first used, as those of `strangler` are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox.lazy import names_from

if TYPE_CHECKING:
    from strangler.facade.caller import ANONYMOUS_SCOPE
    from strangler.facade.idempotency import mint_ref
    from strangler.facts import Judgement, Verdict
    from strangler.hand_back.run import hand_back
    from strangler.moves import advance, rollback
    from strangler.reconcile.report import Report
    from strangler.reconcile.run import reconcile
    from strangler.stages import Stage

_HOMES = {
    "ANONYMOUS_SCOPE": "strangler.facade.caller",
    "Judgement": "strangler.facts",
    "Report": "strangler.reconcile.report",
    "Stage": "strangler.stages",
    "Verdict": "strangler.facts",
    "advance": "strangler.moves",
    "hand_back": "strangler.hand_back.run",
    "mint_ref": "strangler.facade.idempotency",
    "reconcile": "strangler.reconcile.run",
    "rollback": "strangler.moves",
}
__all__ = [
    "ANONYMOUS_SCOPE",
    "Judgement",
    "Report",
    "Stage",
    "Verdict",
    "advance",
    "hand_back",
    "mint_ref",
    "reconcile",
    "rollback",
]

if not TYPE_CHECKING:  # else every misspelled name would have a type
    __getattr__, __dir__ = names_from(__name__, _HOMES)
