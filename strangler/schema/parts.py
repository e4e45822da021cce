"""Which parts a plan needs, and in which schemas."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeAlias

from outbox.schema.parts import CONSUMER, OUTBOX, Part
from strangler.contexts import Context, Declared
from strangler.plan import Plan

VERSIONS = Path(__file__).parent / "versions"
STRANGLER = Part("strangler", VERSIONS, only_schema="strangler")
CONTEXT = Part("context", VERSIONS)


class PlacedPart(NamedTuple):
    """A part in a schema."""

    part: Part
    schema: str


# What has tables: a plan, a service, or the context that is written down in the place of one.
Migrated: TypeAlias = Plan | Declared | Context


def targets_of(migrated: Migrated) -> tuple[PlacedPart, ...]:
    """In the order in which they are made.

    A service needs an outbox beside it for the events that it emits. The resumer makes no claims, it only reads.
    """
    if not isinstance(migrated, Plan | Context) and not migrated.acts:
        return (PlacedPart(CONSUMER, migrated.context("").schema),)
    if not isinstance(migrated, Plan):
        context = migrated if isinstance(migrated, Context) else migrated.context("")  # its topics do not matter here
        return (PlacedPart(OUTBOX, "outbox"), *_in_schema(context.schema))
    own = [target for context in migrated.contexts().values() for target in _in_schema(context.schema)]
    resumer = [PlacedPart(CONSUMER, context.schema) for context in migrated.resumer_context().values()]
    return (PlacedPart(OUTBOX, "outbox"), PlacedPart(STRANGLER, "strangler"), *own, *resumer)


def targets_named(*names: str) -> tuple[PlacedPart, ...]:
    """`outbox` and `strangler` are those parts; any other name is the schema of a context."""
    known = {"outbox": (PlacedPart(OUTBOX, "outbox"),), "strangler": (PlacedPart(STRANGLER, "strangler"),)}
    return tuple(target for name in names for target in known.get(name, ()) or _in_schema(name))


def _in_schema(schema: str) -> tuple[PlacedPart, ...]:
    return PlacedPart(CONSUMER, schema), PlacedPart(CONTEXT, schema)
