"""The processes of an application, as a plan names them. Pure."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from outbox.terms import check_terms
from strangler.errors import BadPlan


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the application that the local stack starts: `Process("legacy", "desk", url="LEGACY_URL")`.

    `argv` follows `python -m`: a module, or a tuple of it and its arguments. `url`: the variable that gets its address;
    then the variable `port` gets a free one, and it is ready when it answers `GET /` at all, below 500, or `ready_path`
    with 200. Without `url` it listens nowhere, and is ready when it prints a line that begins with `ready`. `tokens`
    are secrets, new at every start. All processes have addresses and tokens in their environment.

    >>> Process("outside", "outside", url="MAIL_URL").command
    ('outside',)
    """

    name: str
    argv: tuple[str, ...] | str
    _: KW_ONLY
    url: str | None = None
    port: str = "PORT"
    ready_path: str | None = None
    tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)

    @property
    def command(self) -> tuple[str, ...]:
        """After `python -m`."""
        return (self.argv,) if isinstance(self.argv, str) else tuple(self.argv)
