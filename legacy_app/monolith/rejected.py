"""An order or cancellation that the monolith refuses: the HTTP status and the sentence for the client."""

from __future__ import annotations


class Rejected(Exception):
    """Rolls the request's transaction back."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
