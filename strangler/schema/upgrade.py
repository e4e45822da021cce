"""Bring parts to their newest tables, inside the caller's transaction: all that a plan or a service needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from outbox.schema import Change, behind, fresh, pending, upgrade
from strangler.schema.parts import Migrated, PlacedPart, targets_of

if TYPE_CHECKING:
    from outbox.speaking import AnyConnection


def pending_of(connection: AnyConnection, targets: Iterable[PlacedPart]) -> Sequence[Change]:
    """What `upgrade_all` would do now; reads only."""
    return [pending(connection, part, schema) for part, schema in targets]


def behind_of(connection: AnyConnection, targets: Iterable[PlacedPart]) -> Sequence[PlacedPart]:
    """Those that lack a revision; reads versions only, so that a role without more rights can find nothing to do."""
    return [target for target in targets if behind(connection, *target)]


def upgrade_all(connection: AnyConnection, targets: Iterable[PlacedPart]) -> Sequence[Change]:
    """Do what is pending; one change for each target, in their order. Commits nothing."""
    return [upgrade(connection, part, schema) for part, schema in targets]


class Migrate:
    """`migrate(connection, service_or_plan)`, and `migrate.statements(service_or_plan)` for a file."""

    def __call__(self, connection: AnyConnection, migrated: Migrated) -> list[str]:
        """Make or extend every table that the plan needs, in the caller's transaction; the statements executed.

        A plan: the outbox, strangler's own tables, and each context's in its schema. A service: the outbox that
        it emits to, and its own tables; a resumer: its own. `connection`: of psycopg, psycopg2, or SQLAlchemy's on
        either, so that it can be one call in a revision of yours. Nothing is committed, tables only grow, a second call
        executes nothing; a second starter waits up to 60 s for the first one's commit. Steps are not entered:
        `strangler migrate` does that, at legacy. `outbox.errors.ConfigurationError`, `outbox.errors.DependencyDown`.

            def upgrade() -> None:
                migrate(op.get_bind(), load_plan(Path("plan.py")))
        """
        changes = upgrade_all(connection, targets_of(migrated))
        return [statement for change in changes for statement in change.statements]

    def statements(self, migrated: Migrated) -> Iterator[str]:
        """The same for an empty database, each without its semicolon."""
        for part, schema in targets_of(migrated):
            yield from fresh(part, schema)


migrate = Migrate()
