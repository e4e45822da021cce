"""`Resumer`: who goes on with subjects whose request has given up waiting, made from the application itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from outbox.consumer import Handler, RuntimeSettings
from outbox.fault_points import FaultPoints
from outbox.schema.parts import CONSUMER
from strangler.contexts import RESUME, Context, imported
from strangler.continuation.outcomes import StoreOutcomes
from strangler.continuation.runner import Runner
from strangler.errors import BadPlan
from strangler.routes import EXTENSION
from strangler.service.runner import BackgroundWorker, Consuming, consume
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
    worker: Callable[[RunSettings], BackgroundWorker]
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


@runtime_checkable
class Resumable(Protocol):
    """What goes on with the subjects of an application: its `Strangled`. From any thread."""

    def tells(self) -> Mapping[str, tuple[str, str]]:
        """By step of the middle, the types of the events of its outcome; `BadInput` where one has no way on."""
        ...

    def go_on(self, subject_ref: str) -> object:
        """Run the rest of its chain, and commit."""
        ...


def resumer_of(reference: str) -> Resumer:
    """The resumer of the application that `package.module:create_app` makes, or that the name is.

    The outcomes' topics and types come from its `awaited`, the rest from its `after` and `refused`. `BadPlan` says
    what is wrong with the reference, or with what it made.
    """
    found = imported(reference, "resumer")
    if isinstance(found, Resumer):
        return found
    application = _resumable(reference, found)
    tells = application.tells()
    if not tells:
        raise BadPlan(f"application {reference!r} waits for no step; decorate one with @strangled.awaited")

    def runner(settings: RunSettings) -> BackgroundWorker:
        return Runner(connect=lambda: settings.connect(RESUME, autocommit=True), rest=application.go_on)

    return Resumer(RESUME, tuple(tells), handler=partial(StoreOutcomes, tells), worker=runner)


def _resumable(reference: str, found: object) -> Resumable:
    made = found
    if callable(found) and not isinstance(found, Resumable) and not hasattr(found, "extensions"):
        try:
            made = found()
        except Exception as error:
            raise BadPlan(f"application {reference!r} cannot be made: {type(error).__name__}: {error}") from error
    kept = _kept(reference, made)
    if not isinstance(kept, Resumable):
        raise BadPlan(
            f"application {reference!r} is a {type(made).__name__} that nothing goes on with; "
            "call `strangled.init_app` in it, or name its Strangled"
        )
    return kept


def _kept(reference: str, made: object) -> object:
    """Of the subjects of an application, each with a `Strangled` of its own, the one that waits for steps."""
    extensions: Mapping[str, object] = getattr(made, "extensions", {})
    found = {id(one): one for name, one in extensions.items() if name.startswith(EXTENSION)}
    waiting = [one for one in found.values() if isinstance(one, Resumable) and one.tells()]
    if len(waiting) > 1:
        raise BadPlan(
            f"application {reference!r} has {len(waiting)} subjects that wait for steps, and a resumer goes on with "
            "one; await steps in one of them, or give each an application of its own"
        )
    return waiting[0] if waiting else extensions.get(EXTENSION, made)
