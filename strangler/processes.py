"""The processes of an application, as a plan names them. Pure."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from outbox.terms import check_terms
from strangler.errors import BadInput, BadPlan


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the application that the local stack starts: `Process("legacy", "desk", url="LEGACY_URL")`.

    `argv` follows `python -m`: a module, or a tuple of it and its arguments. `url`: the variable that gets its address;
    then the variable `port` gets a free one, and it is ready when it answers `GET /` at all, below 500, or `ready_path`
    with 200. Without `url` it listens nowhere, and is ready when it prints a line that begins with `ready`.
    `database`: the variable that gets the address of STRANGLER_DSN's database, as `scheme://...`: the events are in the
    application's transactions, so it must be the same one. `tokens` are secrets, new at every start. All processes have
    addresses and tokens in their environment.

    >>> Process("outside", "outside", url="MAIL_URL").command
    ('outside',)
    """

    name: str
    argv: tuple[str, ...] | str
    _: KW_ONLY
    url: str | None = None
    port: str = "PORT"
    ready_path: str | None = None
    database: str = ""
    scheme: str = "postgresql"
    tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)

    def own_databases(self, dsn: str) -> dict[str, str]:
        """The variable of its database with the address, empty where it names none.

        >>> Process("legacy", "shop", database="DATABASE_URL", scheme="postgresql+psycopg2").own_databases(
        ...     "postgresql://ann@localhost/shop"
        ... )
        {'DATABASE_URL': 'postgresql+psycopg2://ann@localhost/shop'}
        """
        if not self.database:
            return {}
        scheme, separator, rest = dsn.partition("://")
        if not separator or scheme not in ("postgresql", "postgres"):
            raise BadInput(
                f"process {self.name!r} gets {self.database} as {self.scheme}://... of STRANGLER_DSN, which is no "
                "URL; write that as postgresql://USER:PASSWORD@HOST:PORT/NAME"
            )
        return {self.database: f"{self.scheme}://{rest}"}

    @property
    def command(self) -> tuple[str, ...]:
        """After `python -m`."""
        return (self.argv,) if isinstance(self.argv, str) else tuple(self.argv)
