"""What the facade sends along with a request: the reference and the owners that it has pinned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from outbox.errors import Undecodable
from strangler.errors import BadInput, BadOwnership
from strangler.ownership import HEADER, Ownership, reference_header

MAX_REF = 128
TRACEPARENT = "traceparent"


class Unreadable(BadInput):
    """A header that only the facade sends, and not like this."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """`ref` None: the request has not come through the facade. `owners` is the header's text, empty for all legacy."""

    ref: str | None
    owners: str
    traceparent: str | None

    @classmethod
    def of(cls, subject: str, headers: Mapping[str, str]) -> Pinned:
        """`Unreadable` for what cannot be read: it is never guessed."""
        ref = headers.get(reference_header(subject))
        if ref is not None and not (0 < len(ref) <= MAX_REF and ref.isascii() and ref.isprintable()):
            raise Unreadable(
                f"{reference_header(subject)} must be 1 to {MAX_REF} printable ASCII characters: {ref[:80]!r}"
            )
        try:
            ownership = read_owners(headers.get(HEADER))
        except BadOwnership as error:
            raise Unreadable(str(error)) from error
        return cls(ref, ownership.to_header() if ownership.epoch else "", headers.get(TRACEPARENT))


def read_owners(text: str | None) -> Ownership:
    """`BadOwnership` for what cannot be read."""
    try:
        return Ownership.from_header(text)
    except Undecodable as error:
        raise BadOwnership(f"{HEADER} cannot be read: {error}") from error
