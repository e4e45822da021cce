"""What enters an application on SQLAlchemy 1.4 or 2, without routes: see `Strangled`."""

from __future__ import annotations


class Strangled:
    """The subject of a monolith, its changes and the seams around its steps.

    `subject`: its name in the plan. `wait_s`: how long a request waits for a step of the middle.
    """

    def __init__(self, subject: str, *, wait_s: float = 0.1) -> None:
        self.subject = subject
        self.wait_s = wait_s
