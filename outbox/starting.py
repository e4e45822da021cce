"""How a command's process starts: Ctrl-C while it loads, and what is not installed, end it in words."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module

OURS = frozenset({"outbox", "strangler", "legacy_app", "new_services"})
LIBPQ = ("psycopg with libpq", "pip install 'psycopg[binary]', or your system's libpq5")


def started(name: str, module: str, *, install: str, missing: Callable[[str, str], int] | None = None) -> int:
    """Run `main` of `module`; its exit code, 130 at Ctrl-C, 2 where what it runs on is not installed.

    `missing` says so in a way of its own, by what it is and the fix. Logs go to stderr with their fields, from warnings
    on; what serves sets it lower.
    """
    # A database of the encoding SQL_ASCII names none: psycopg would give bytes for every text of it.
    os.environ.setdefault("PGCLIENTENCODING", "UTF8")
    try:
        run = import_module(module).main
        import_module("outbox.telemetry").log_to_stderr(logging.WARNING)
        return int(run())
    except KeyboardInterrupt:
        return 130
    except ImportError as error:
        found = _missing(error, install)
        if found is None:
            raise
    if missing is not None:
        return missing(*found)
    sys.stderr.write(f"{name}: {found[0]} is missing; {found[1]}\n")
    return 2


def _missing(error: ImportError, install: str) -> tuple[str, str] | None:
    """What, and the fix; None for a name of ours, or one that a module does not have."""
    if not isinstance(error, ModuleNotFoundError):
        return LIBPQ if "pq wrapper" in str(error) or "psycopg" in str(error) else None
    if error.name is None or error.name.partition(".")[0] in OURS:
        return None
    return error.name, install
