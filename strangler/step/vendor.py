"""A vendor as the effect sender sees it: asked with a key that it remembers for a while, or looked up by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from strangler.step.intents import Json


class AnswerKind(StrEnum):
    """`absent` is an answer to a look-up only: the vendor never accepted the key. `not_sent`: it cannot have acted, so
    it may be asked as if for the first time. `unsettled`: it may have acted, and asking would not tell; an operator
    must find out, and until then it is not asked.
    """

    DONE = "done"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    ABSENT = "absent"
    NOT_SENT = "not_sent"
    UNSETTLED = "unsettled"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known after a call. `detail` is kept with the effect: small, no personal data, no secrets.

    `retry_after_s`: it asked for patience (429, 503), for so long; a sender that heard it calls nothing before, a day
    at most.
    """

    kind: AnswerKind
    detail: Mapping[str, Json] = field(default_factory=dict)
    retry_after_s: float | None = None

    def __post_init__(self) -> None:
        """`ValueError` for a kind that there is not; `"done"` is as good as `AnswerKind.DONE`."""
        object.__setattr__(self, "kind", AnswerKind(self.kind))


class Vendor(Protocol):
    """Every call ends within `timeout_s`. Called from several threads."""

    @property
    def timeout_s(self) -> float: ...

    @property
    def key_lifetime_s(self) -> float:
        """How long after a first call with a key a second one is recognised; 0 = never, so it is sent at most once."""
        ...

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer: ...
    def look_up(self, key: str, operation: str) -> Answer:
        """Whether the effect was done; `unsettled` from a vendor that cannot tell."""
        ...
