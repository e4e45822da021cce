"""Ownership: for one subject and step, who acts. Pinned once at ingress, carried in a header, kept on every event."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from outbox.structured import format_dictionary, parse_dictionary
from strangler.errors import BadOwnership

HEADER = "Strangler-Ownership"
CREATION_STATUS_HEADER = "Strangler-Creation-Status"  # on looking at an order: what creating it would be answered now
BUCKETS = 10_000  # basis points


def reference_header(subject: str) -> str:
    """The request header that carries a subject's reference to the application.

    >>> reference_header("gift-card")
    'Strangler-Gift-Card-Ref'
    """
    return f"Strangler-{subject.title()}-Ref"


class Owner(StrEnum):
    """Who acts: the legacy step, the legacy step watched by the new side, or the new side."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Ownership:
    """The owners of a subject's steps at the epoch of its pinning. A step that is not named is legacy."""

    epoch: int
    owners: Mapping[str, Owner]

    def of(self, step: str) -> Owner:
        return self.owners.get(step, Owner.LEGACY)

    def to_header(self) -> str:
        """RFC 9651 dictionary: `epoch=17, notification=new, search=shadow`; legacy steps are left out."""
        named = {step: owner.value for step, owner in sorted(self.owners.items()) if owner is not Owner.LEGACY}
        return format_dictionary({"epoch": self.epoch, **named})

    @classmethod
    def from_header(cls, text: str | None) -> Ownership:
        """Absent or empty = all legacy at epoch 0. Anything malformed is refused, never guessed."""
        if not text:
            return ALL_LEGACY
        members = parse_dictionary(text)
        epoch = members.pop("epoch", None)
        if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
            raise BadOwnership(f"{HEADER} without a valid epoch: {text[:200]!r}")
        try:
            return cls(epoch, {step: Owner(str(value)) for step, value in members.items()})
        except ValueError as error:
            raise BadOwnership(f"{HEADER} names an unknown owner: {text[:200]!r}") from error


ALL_LEGACY = Ownership(0, {})


def bucket(subject_ref: str, salt: str) -> int:
    """The subject's place in 0..9999 for a salt: stable across processes, so cohorts nest (5% lies inside 10%)."""
    digest = hashlib.blake2b(f"{salt}:{subject_ref}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % BUCKETS
