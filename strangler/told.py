"""Who changes something, and why, as every audit of this library takes it."""

from __future__ import annotations

from outbox.errors import ConfigurationError
from outbox.told import Told
from strangler.errors import BadInput


def told(actor: str, reason: str) -> Told:
    """`BadInput` where either says nothing."""
    try:
        return Told(actor, reason)
    except ConfigurationError as error:
        raise BadInput(str(error)) from error
