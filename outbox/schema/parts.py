"""Parts of a schema: tables that belong together, with the revisions that make them and the table of their version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from outbox.errors import ConfigurationError

VERSIONS = Path(__file__).parent / "versions"
NAME_BYTES = 63


@dataclass(frozen=True, slots=True)
class Part:
    """`name` is the branch label of its revisions, which stand in the folder `versions`.

    `only_schema`: the one schema that it can be in, because other code names it. None: any.
    """

    name: str
    versions: Path
    only_schema: str | None = None

    @property
    def version_table(self) -> str:
        """In the schema that it describes, so that a team's own version table is never touched."""
        return f"{self.name}_version"

    def check_schema(self, schema: str) -> None:
        """`ConfigurationError` for a name that the tables cannot stand under."""
        if self.only_schema not in (None, schema):
            raise ConfigurationError(
                f"the part {self.name!r} stands in the schema {self.only_schema!r}, got {schema!r}; "
                f"give {self.only_schema!r}"
            )
        if not schema or "\0" in schema or len(schema.encode()) > NAME_BYTES:
            raise ConfigurationError(
                f"{schema!r} cannot name a schema: PostgreSQL takes 1 to {NAME_BYTES} bytes without NUL; give another"
            )


OUTBOX = Part("outbox", VERSIONS, only_schema="outbox")
CONSUMER = Part("consumer", VERSIONS)
PARTS = {part.name: part for part in (OUTBOX, CONSUMER)}


def part_of(name: str) -> Part:
    """The part of that name; `ConfigurationError` lists the known ones."""
    if name not in PARTS:
        raise ConfigurationError(f"outbox has no part {name!r}; known parts: {', '.join(PARTS)}")
    return PARTS[name]


def quoted(name: str) -> str:
    """As an SQL identifier.

    >>> quoted('my-"odd')
    '"my-""odd"'
    """
    return '"' + name.replace('"', '""') + '"'
