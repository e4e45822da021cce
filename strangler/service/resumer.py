"""`Resumer`: who goes on with subjects whose request has given up waiting, declared as a service is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from outbox.consumer import Handler, RuntimeSettings
from outbox.fault_points import FaultPoints
from outbox.schema.parts import CONSUMER
from strangler.contexts import Context
from strangler.service.runner import Consuming, Worker, consume
from strangler.service.settings import RunSettings


@dataclass(frozen=True, slots=True)
class Resumer:
    """A consumer of the outcomes' topics, and a worker that runs what is left of the subjects that have them.

    `handler` makes what stores outcomes; after each of its batches the worker is woken. `worker` makes it from the
    settings, before anything is opened. `group` and `schema` are the name unless they are given.
    """

    name: str
    topics: tuple[str, ...]
    handler: Callable[[FaultPoints], Handler]
    worker: Callable[[RunSettings], Worker]
    group: str = ""
    schema: str = ""

    @property
    def awaited(self) -> bool:
        return False

    @property
    def acts(self) -> bool:
        return False

    def context(self, subject: str) -> Context:  # noqa: ARG002 - it names its topics
        """Where it lives."""
        return Context(self.schema or self.name, self.group or self.name, self.topics)


def resume(resumer: Resumer, settings: RunSettings) -> None:
    """Run it until SIGTERM or SIGINT; says `ready NAME` on stdout once it has partitions."""
    place = resumer.context("")
    consuming = Consuming(
        name=resumer.name,
        group=place.group,
        schema=place.schema,
        topics=place.topics,
        parts=(CONSUMER,),
        handler=resumer.handler(settings.fault_points),
        settings=RuntimeSettings() if settings.lanes is None else RuntimeSettings(lanes=settings.lanes),
    )
    worker = resumer.worker(settings)
    consume(consuming, settings, lambda _observe: worker)
