"""An installation: a database with its outbox, told apart from every other one that uses the same broker."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import LiteralString
from urllib.parse import quote

from outbox.connection import PsycopgConnection
from outbox.errors import ConfigurationError

SOURCES = "OUTBOX_SOURCES"

# `initdb` draws the identifier; a copy of the server's files keeps it, a dump that is restored elsewhere does not.
_IDENTITY: LiteralString = "SELECT system_identifier::text, current_database() FROM pg_control_system()"
_WHOLE = re.compile(r"[0-9]{1,20}/[A-Za-z0-9._~%-]{1,189}")


def source_name(system_identifier: str, database: str) -> str:
    """What positions call a database.

    >>> source_name("7401538021532815401", "shop")
    '7401538021532815401/shop'
    """
    return f"{system_identifier}/{quote(database, safe='')}"


def source_of(connection: PsycopgConnection) -> str:
    """The name of the database that the connection is to; any role may ask."""
    identifier, database = connection.execute(_IDENTITY).fetchone() or ("", "")
    return source_name(identifier, database)


def is_whole(source: str) -> bool:
    """Whether it names server and database. Relays wrote a bare name, `main` by default, until they did: such a name
    is nobody's in particular.

    >>> is_whole("7401538021532815401/shop"), is_whole("main")
    (True, False)
    """
    return "/" in source


def sources_in(environ: Mapping[str, str]) -> frozenset[str]:
    """OUTBOX_SOURCES: other databases whose events are this installation's too. `ConfigurationError` for a bad name."""
    names = [name.strip() for name in environ.get(SOURCES, "").split(",") if name.strip()]
    for name in names:
        if _WHOLE.fullmatch(name) is None:
            raise ConfigurationError(
                f"{SOURCES} has {name!r}, which is no source; a source is SYSTEM-IDENTIFIER/DATABASE, as logs name it"
            )
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class Installation:
    """`source`: its main database. `sources`: that, and what OUTBOX_SOURCES names beside it."""

    source: str
    sources: frozenset[str]
    group_prefix: str = ""

    @classmethod
    def of(
        cls, connection: PsycopgConnection, others: frozenset[str] = frozenset(), group_prefix: str = ""
    ) -> Installation:
        """The installation whose main database the connection is to; `others` as `sources_in` the environment."""
        source = source_of(connection)
        return cls(source, others | {source}, group_prefix)

    @property
    def mark(self) -> str:
        """Eight digits that stay as long as the database does.

        >>> Installation("7401538021532815401/shop", frozenset()).mark
        '7f05e390'
        """
        return blake2b(self.source.encode(), digest_size=4).hexdigest()

    def kafka_group(self, group: str) -> str:
        """The name under which a consumer group joins at the broker, where another installation has the same groups.

        Positions are stored without the mark: they lie in the installation's own database.
        """
        return f"{self.group_prefix}{group}.{self.mark}"


def foreign(source: str, ours: Iterable[str]) -> bool:
    """Whether a source is named whole and none of ours."""
    return is_whole(source) and source not in ours
