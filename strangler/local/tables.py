"""All tables of a database: the toolkit's, then the application's own by the command that the plan names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from outbox.connection import connect
from strangler.errors import StranglerError
from strangler.plan import Plan, Process
from strangler.schema import PlacedPart, targets_named, targets_of, upgrade_all

# Of a plan; or parts by name: `outbox`, `strangler`, and any other name is a context's schema.
Tables: TypeAlias = Plan | tuple[str, ...]
OWN_WITHIN_S = 120.0
SAID_CHARACTERS = 2000


class WantedTables(NamedTuple):
    """The toolkit's parts, the application's command, and the processes of which it is one."""

    targets: tuple[PlacedPart, ...]
    own: tuple[str, ...]
    processes: tuple[Process, ...] = ()


def wanted(tables: Tables) -> WantedTables:
    """As a value that can be compared, which plans cannot."""
    if isinstance(tables, Plan):
        return WantedTables(targets_of(tables), tables.own_tables, tables.processes)
    return WantedTables(targets_named(*tables), ())


def make(dsn: str, tables: WantedTables, environ: Mapping[str, str] = {}) -> None:
    """Idempotent; several starters take turns. `StranglerError` when the application's own command fails, which gets
    `environ` beside ours.
    """
    with connect(dsn, "") as connection:
        upgrade_all(connection, tables.targets)
    if tables.own:
        run_own(tables.own, dsn, {**environ, **databases_of(tables.processes, dsn)})


def databases_of(processes: Sequence[Process], dsn: str) -> dict[str, str]:
    """The variables that the application reads its database's address from, as its processes name them."""
    return {name: address for one in processes for name, address in one.own_databases(dsn).items()}


def run_own(command: tuple[str, ...], dsn: str, own: Mapping[str, str]) -> None:
    """The application's command, after `python -m`, with STRANGLER_DSN and `own` variables set; it may take two
    minutes.
    """
    argv = [sys.executable, "-m", *command]
    environ = {**os.environ, **own, "STRANGLER_DSN": dsn}
    try:
        ended = subprocess.run(
            argv,
            env=environ,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=OWN_WITHIN_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise StranglerError(
            f"`python -m {' '.join(command)}` took more than {OWN_WITHIN_S:.0f} s; run it alone"
        ) from error
    if ended.returncode != 0:
        raise StranglerError(
            f"`python -m {' '.join(command)}`, which the plan names for the application's own tables, ended with "
            f"{ended.returncode}; it said:\n{ended.stderr.strip()[-SAID_CHARACTERS:]}"
        )
