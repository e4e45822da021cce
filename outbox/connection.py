"""The connection of the toolkit's own processes: psycopg's. An application's is any, see `outbox.speaking`."""

from __future__ import annotations

from typing import Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict

PsycopgConnection: TypeAlias = psycopg.Connection[tuple[Any, ...]]


def with_options(dsn: str, ours: str) -> str:
    """For `psycopg.connect(dsn, options=...)`, which drops what the DSN says itself: that, and ours, which win.

    >>> with_options("postgresql://db/shop?options=-cjit%3Doff", "-c lock_timeout=10s")
    '-cjit=off -c lock_timeout=10s'
    """
    return f"{conninfo_to_dict(dsn).get('options') or ''} {ours}".strip()
