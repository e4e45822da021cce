"""Names of a package that are imported when they are first used. Imports nothing itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def names_from(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """A module's `__getattr__` and `__dir__` (PEP 562): `homes` maps each name to the module that has it. Safe across
    threads.

    >>> load, names = names_from("outbox", {"Event": "outbox.event"})
    >>> load("Event").__name__, names()
    ('Event', ['Event'])
    """

    def load(name: str) -> object:
        home = homes.get(name)
        if home is None:
            known = ", ".join(sorted(homes))
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {known}")
        found = getattr(import_module(home), name)
        setattr(sys.modules[package], name, found)  # the next use finds it there
        return found

    return load, lambda: list(homes)
