"""Which parts a plan needs, and in which schemas."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from outbox.schema.parts import CONSUMER, OUTBOX, Part
from strangler.plan import Plan

VERSIONS = Path(__file__).parent / "versions"
STRANGLER = Part("strangler", VERSIONS, only_schema="strangler")
CONTEXT = Part("context", VERSIONS)


class Target(NamedTuple):
    """A part in a schema."""

    part: Part
    schema: str


class InSchema(Protocol):
    """A service, or the context of a step: what has a schema of its own."""

    @property
    def schema(self) -> str: ...


Migrated: TypeAlias = Plan | InSchema


def targets_of(migrated: Migrated) -> tuple[Target, ...]:
    """In the order in which they are made.

    A service needs an outbox beside it for the events that it emits. The resumer makes no claims, it only reads.
    """
    if not isinstance(migrated, Plan):
        return (Target(OUTBOX, "outbox"), *_in_schema(migrated.schema))
    own = [target for context in migrated.contexts().values() for target in _in_schema(context.schema)]
    resumer = [Target(CONSUMER, context.schema) for context in migrated.resumer_context().values()]
    return (Target(OUTBOX, "outbox"), Target(STRANGLER, "strangler"), *own, *resumer)


def targets_named(*names: str) -> tuple[Target, ...]:
    """`outbox` and `strangler` are those parts; any other name is the schema of a context."""
    known = {"outbox": (Target(OUTBOX, "outbox"),), "strangler": (Target(STRANGLER, "strangler"),)}
    return tuple(target for name in names for target in known.get(name, ()) or _in_schema(name))


def _in_schema(schema: str) -> tuple[Target, ...]:
    return Target(CONSUMER, schema), Target(CONTEXT, schema)
