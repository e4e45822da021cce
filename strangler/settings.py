"""Settings: the addresses and secrets of the toolkit's processes, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Self

from outbox.settings import well_formed
from strangler.errors import BadInput

PREFIX = "STRANGLER_"
JUDGE_DSN = "STRANGLER_JUDGE_DSN"  # in the place of STRANGLER_DSN for `strangler reconcile`
MEANING = "meaning"  # of a field, for the page of variables
DEFAULT_PLAN = "plan.py"  # in the working folder


@dataclass(frozen=True, slots=True)
class Settings:
    """`STRANGLER_<NAME>` for each field; an unknown `STRANGLER_*` stops the start. Secrets stay out of the repr."""

    dsn: str | None = field(default=None, repr=False, metadata={MEANING: "the database"})
    judge_dsn: str | None = field(
        default=None, repr=False, metadata={MEANING: "for `reconcile`, by the judge's own role"}
    )
    plan: Path = field(default=Path(DEFAULT_PLAN), metadata={MEANING: "the plan's file"})
    internal_token: str | None = field(
        default=None,
        repr=False,
        metadata={
            MEANING: "what facade and hand-back show at the application's routes of the toolkit; the same for all"
        },
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """An empty value counts as absent."""
        known = known_names()
        unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
        if unknown:
            raise BadInput(f"unknown setting {', '.join(unknown)}; known: {', '.join(known)}")
        plan = environ.get("STRANGLER_PLAN")
        return cls(
            dsn=checked_dsn(environ.get("STRANGLER_DSN"), "STRANGLER_DSN"),
            judge_dsn=checked_dsn(environ.get(JUDGE_DSN), JUDGE_DSN),
            plan=Path(plan or DEFAULT_PLAN),
            internal_token=environ.get("STRANGLER_INTERNAL_TOKEN") or None,
        )

    def required_dsn(self) -> str:
        if self.dsn is None:
            raise BadInput("no database is named; give --dsn, set STRANGLER_DSN, or start one by `strangler up`")
        return self.dsn


def known_names() -> list[str]:
    """What may be set."""
    return sorted(PREFIX + setting.name.upper() for setting in fields(Settings))


def checked_dsn(text: str | None, named: str) -> str | None:
    """Any address that libpq takes; `ConfigurationError` does not show the value, which may hold a password."""
    return well_formed(text, named) if text and text.strip() else None
