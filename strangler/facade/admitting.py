"""A worker's admission put together: its entrance, its part of the slots, and the lag that it looks at."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from strangler.facade.entrance import Entrance, EntranceSettings
from strangler.facade.lag_watch import NO_LAG, LagPlaces, LagWatch
from strangler.facade.leases import LeasePlace, Leases
from strangler.facade.measures import Measures
from strangler.facade.work_classes import WorkClasses
from strangler.plan import Plan


@dataclass(frozen=True, slots=True)
class AdmittingSettings:
    """`share_bp` of the requests are asked. `lag`: where that of the contexts is read which the plan promises. `dsn`:
    where the workers of all facades share the slots; `workers` of this facade.
    """

    dsn: str
    workers: int
    share_bp: int
    lag: LagPlaces = NO_LAG


@dataclass(frozen=True, slots=True)
class Admitting:
    """Begun before the first request, ended after the last. All None where nobody is asked."""

    entrance: Entrance | None = None
    leases: Leases | None = None
    watch: LagWatch | None = None

    async def begin(self) -> None:
        """When it has slots, or knows that the others cannot be asked."""
        if self.watch is not None:
            self.watch.start()
        if self.leases is not None:
            self.leases.start()
            await self.leases.first()

    async def end(self) -> None:
        if self.watch is not None:
            self.watch.stop()
        if self.leases is not None:
            await self.leases.give_back()


def admitting_of(plan: Plan, settings: AdmittingSettings, worker: str, measures: Measures) -> Admitting:
    """`worker` names this one among all that share the plan's slots. Called on its loop."""
    if plan.admission is None or not settings.share_bp:
        return Admitting()
    loop = asyncio.get_running_loop()
    asked = EntranceSettings(
        plan.admission,
        share_bp=settings.share_bp,
        callers=() if plan.subject.caller is None else plan.subject.caller,
    )
    entrance = Entrance(asked, WorkClasses(plan.admission).rank, loop, measures)
    place = LeasePlace(settings.dsn, plan.name, worker, plan.admission.most_slots, settings.workers)
    watch = None
    if settings.lag.contexts:
        watch = LagWatch(settings.lag, lambda *read: loop.call_soon_threadsafe(entrance.heard, *read), measures)
    return Admitting(entrance, Leases(place, entrance, measures), watch)
