"""The backlog of reviews: what a service has decided at once, and a person looks at later, and may still refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outbox.connection import PsycopgConnection
from outbox.terms import check_terms
from strangler.errors import BadInput, RefusedError
from strangler.step.intents import Json
from strangler.told import told

Refuse = Callable[[PsycopgConnection, str, Mapping[str, str]], None]
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Review:
    """Where reviews stand, and what a refusal does.

    `table`, in the service's schema, has `key` (the subject's reference) and `opened_at`, `resolved_at`, `resolution`
    (`cleared` or `refused`), `actor`, `reason`; `about` names further columns that help a person to decide.
    `refuse(connection, ref, environ)` undoes what was decided. It runs before the review is resolved and may run again
    after a crash, so it must be repeatable; `RefusedError` and `DependencyDown` leave the review open.
    """

    refuse: Refuse
    about: tuple[str, ...] = ()
    table: str = "review"
    key: str = "subject_ref"

    def __post_init__(self) -> None:
        check_terms(self, error=BadInput)
        for name in (self.table, self.key, *self.about):
            if _NAME.fullmatch(name) is None:
                raise BadInput(f"Review has the name {name!r}; use lower case letters, digits and _")


@dataclass(frozen=True, slots=True)
class OpenReview:
    """A decision that waits for a person."""

    subject_ref: str
    opened_at: datetime
    about: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a person says of it, for the audit."""

    subject_ref: str
    actor: str
    reason: str

    def __post_init__(self) -> None:
        told(self.actor, self.reason)


def backlog(connection: PsycopgConnection, review: Review, *, limit: int) -> Sequence[OpenReview]:
    """Open reviews, the oldest first."""
    query = f"""
SELECT {", ".join((review.key, "opened_at", *review.about))} FROM {review.table}
WHERE resolved_at IS NULL ORDER BY opened_at, {review.key} LIMIT %(limit)s"""  # noqa: S608 - names that were checked
    rows: Sequence[Sequence[Any]] = connection.execute(query.encode(), {"limit": limit}).fetchall()
    return [OpenReview(row[0], row[1], dict(zip(review.about, row[2:], strict=True))) for row in rows]


def clear(connection: PsycopgConnection, review: Review, said: Resolution) -> None:
    """It was right: nothing changes. In the caller's transaction."""
    _lock(connection, review, said)
    _resolve(connection, review, said, "cleared")


def refuse(connection: PsycopgConnection, review: Review, said: Resolution, environ: Mapping[str, str]) -> None:
    """Undo it. In the caller's transaction; a crash in between leaves the review open."""
    _lock(connection, review, said)
    review.refuse(connection, said.subject_ref, environ)
    _resolve(connection, review, said, "refused")


def _lock(connection: PsycopgConnection, review: Review, said: Resolution) -> None:
    """Held over what `refuse` calls: of two reviewers of one subject, the second waits and finds it resolved."""
    query = f"SELECT FROM {review.table} WHERE {review.key} = %s AND resolved_at IS NULL FOR UPDATE"
    if connection.execute(query.encode(), [said.subject_ref]).fetchone() is None:
        raise RefusedError(f"no open review of {said.subject_ref[:80]!r}; see `strangler review list`")


def _resolve(connection: PsycopgConnection, review: Review, said: Resolution, resolution: str) -> None:
    query = f"""
UPDATE {review.table} SET resolved_at = now(), resolution = %(resolution)s, actor = %(actor)s, reason = %(reason)s
WHERE {review.key} = %(subject_ref)s AND resolved_at IS NULL"""  # noqa: S608 - a name that was checked
    words = {"subject_ref": said.subject_ref, "actor": said.actor, "reason": said.reason, "resolution": resolution}
    connection.execute(query.encode(), words)
