"""The connection of the toolkit's own processes: psycopg's. An application's is any, see `outbox.speaking`."""

from __future__ import annotations

from typing import Any, TypeAlias

import psycopg

PsycopgConnection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
