"""A local stack for tests, benchmarks and the sample: PostgreSQL, Kafka and processes of ours, gone with their program.

Names are loaded when first used, as those of `strangler` are.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strangler.local.process import Running as Running
    from strangler.local.stack import Stack as Stack
    from strangler.local.waiting import wait_until as wait_until

_HOMES = {
    "Running": "strangler.local.process",
    "Stack": "strangler.local.stack",
    "wait_until": "strangler.local.waiting",
}
__all__ = ["Running", "Stack", "wait_until"]


if not TYPE_CHECKING:  # so that a name which is none is an error to a type checker

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module 'strangler.local' has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)
