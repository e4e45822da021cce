"""The handler of the campaign: leaves one row for each event, unguarded, and suffers as the events tell it to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Poison
from outbox.event import ReceivedEvent
from tests.faults.record_case import Plant
from tests.faults.record_troubles import ANSWERS, ERRORS, SLOW, SLOW_S

TABLES = (
    """CREATE TABLE effects
    (seq bigserial PRIMARY KEY, id uuid, key bytea, number numeric, partition int, "offset" bigint)""",
    "CREATE TABLE once (number int PRIMARY KEY CHECK (number > 0))",
)
_WRITE = 'INSERT INTO effects (id, key, number, partition, "offset") VALUES (%s, %s, %s, %s, %s)'
_DONE = "SELECT FROM effects WHERE id = %s"


@dataclass
class Attempts:
    """At which troubles the handler has been, over all processes of a seed."""

    path: Path
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.seen.update(self.path.read_text().split() if self.path.exists() else ())

    def first(self, name: str) -> bool:
        self.seen[name] += 1
        with self.path.open("a") as noted:
            noted.write(f"{name}\n")
        return self.seen[name] == 1


@dataclass
class Handling:
    """`mended`: no event is any trouble any more. `plant` is what it does wrong on purpose."""

    attempts: Attempts
    mended: bool
    plant: Plant | None = None
    victim: bytes | None = None
    held: ReceivedEvent | None = None

    def __call__(self, connection: PsycopgConnection, events: Sequence[ReceivedEvent]) -> Sequence[Disposition]:
        spoil: Callable[[Sequence[Disposition]], object] | None = None
        for place, one in enumerate(events):
            name = self._due(one)
            if name in ERRORS:
                self._suffer(name, connection, place)
            self._write(connection, one)
            spoil = ANSWERS.get(name, spoil)
        answers = [Disposition.APPLIED] * len(events)
        return answers if spoil is None else cast("Sequence[Disposition]", spoil(answers))

    def work(self, connect: Callable[[], PsycopgConnection], one: ReceivedEvent) -> Disposition:
        """The same, one after another and without the runtime's transaction: it bears a repeat, as it must."""
        name = self._due(one)
        with connect() as connection:
            if name in ERRORS:
                self._suffer(name, connection, 0)
            if connection.execute(_DONE, [one.event.id]).fetchone() is None:
                self._write(connection, one)
        answers = [Disposition.APPLIED]
        return cast("Disposition", ANSWERS[name](answers)) if name in ANSWERS else answers[0]

    def _due(self, one: ReceivedEvent) -> str:
        """The trouble that this event is now; none where empty."""
        name, _, when = one.event.type.partition(":")
        if self.mended or when not in {"once", "always"}:
            return ""
        due = self.attempts.first(str(one.event.id)) or when == "always"
        if due and one.event.type == SLOW:
            time.sleep(SLOW_S)
        return name if due else ""

    def _suffer(self, name: str, connection: PsycopgConnection, place: int) -> None:
        try:
            ERRORS[name](connection)
        except Poison as poison:
            if poison.index != 0:
                raise
            raise Poison(place, poison.reason) from poison

    def _write(self, connection: PsycopgConnection, one: ReceivedEvent) -> None:
        event = one.event
        rows = [one]
        if self.plant in {Plant.LOSS, Plant.DOUBLE, Plant.INVERSION}:
            rows = self._spoilt(one, self.plant)
        for each in rows:
            event = each.event
            key = (event.partition_key or event.aggregate_id).encode()
            connection.execute(_WRITE, [event.id, key, event.aggregate_version, each.partition, each.offset])

    def _spoilt(self, one: ReceivedEvent, plant: Plant) -> list[ReceivedEvent]:
        """The second event of the first key that has one is left out, written twice, or written after its next."""
        key = one.event.aggregate_id.encode()
        if self.victim is None and one.event.aggregate_version == 2:
            self.victim, self.held = key, one
            return [one, one] if plant is Plant.DOUBLE else []
        if plant is Plant.INVERSION and self.held is not None and key == self.victim:
            held, self.held = self.held, None
            return [one, held]
        return [one]
