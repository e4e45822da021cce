"""Who changes something, and why: words that an audit can keep, never blanks."""

from __future__ import annotations

from dataclasses import dataclass

from outbox.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Told:
    """A person's word. `ConfigurationError` where either says nothing, or is no text.

    >>> Told("ann", " ")
    Traceback (most recent call last):
    outbox.errors.ConfigurationError: the audit needs a reason in words, found ' '
    """

    actor: str
    reason: str

    def __post_init__(self) -> None:
        for what, text in (("an actor", self.actor), ("a reason", self.reason)):
            if not in_words(text):
                raise ConfigurationError(f"the audit needs {what} in words, found {text[:80]!r}")


def in_words(text: str) -> bool:
    """Whether it says anything, to people and to a database.

    >>> in_words("ann"), in_words("\\u200b"), in_words("---"), in_words("a\\0"), in_words("caf\\udce9")
    (True, False, False, False, False)
    """
    storable = "\0" not in text and not any("\ud800" <= one <= "\udfff" for one in text)
    return storable and any(one.isalnum() for one in text)
