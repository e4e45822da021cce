"""A world to plant faults in, opened by addresses of the environment."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import psycopg

from outbox.connection import PsycopgConnection
from outbox.schema.parts import quoted
from strangler.errors import BadInput, DependencyDown
from strangler.planting.world import World
from strangler.service.declaration import Service

CONNECT_TIMEOUT_S = 10


@contextmanager
def opened(
    service: Service,
    environ: Mapping[str, str],
    *,
    subject_ref: str | None = None,
    seed: int | None = None,
    prefers: Callable[[str], bool] = lambda _: True,
    dry_run: bool = False,
) -> Iterator[World]:
    """The service's world. `seed` chooses the same again. `BadInput` without STRANGLER_DSN, `DependencyDown` where it
    does not answer.
    """
    with _connect(environ) as main, _connect(environ) as context:
        context.execute("SELECT set_config('search_path', %s, false)", [quoted(service.schema)])
        rng = random.Random(seed)  # noqa: S311 - dice
        yield World(service, context, main, environ, rng, subject_ref, prefers, dry_run)


def _connect(environ: Mapping[str, str]) -> PsycopgConnection:
    dsn = environ.get("STRANGLER_DSN")
    if not dsn:
        raise BadInput("STRANGLER_DSN is not set; name the database that faults are planted in")
    try:
        return psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT_S, autocommit=True)
    except psycopg.OperationalError as error:
        raise DependencyDown("PostgreSQL does not answer; check STRANGLER_DSN") from error
