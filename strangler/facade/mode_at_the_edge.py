"""While people have declared a mode, other floors, quotas and deadlines hold for who is let in."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

from strangler.admission.declared import Admission
from strangler.facade.brief import brief
from strangler.facade.entrance import Entrance
from strangler.facade.measures import Measures
from strangler.modes.declared import admission_in
from strangler.modes.table import HeldReader
from strangler.modes.watch import ModeWatch
from strangler.plan import Plan


def watch_modes(
    plan: Plan, dsn: str, entrance: Entrance | None, loop: asyncio.AbstractEventLoop, measures: Measures
) -> None:
    """From now on, in a thread that ends with the process; not at all where the plan has no modes."""
    if not plan.modes:
        return
    modes = {one.name: one for one in plan.modes}

    def changed(name: str) -> None:
        measures.mode(name)
        if entrance is not None and plan.admission is not None:
            admission: Admission = admission_in(plan.admission, modes.get(name))
            loop.call_soon_threadsafe(entrance.redeclare, admission.classes)

    held = HeldReader(partial(brief, dsn, "strangler-facade-mode"))
    threading.Thread(target=ModeWatch("facade", held, changed).run, name="mode", daemon=True).start()
