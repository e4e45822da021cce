"""A world to plant faults in, opened by addresses of the environment."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from strangler.addresses import Addresses
from strangler.planting.world import World
from strangler.service.declaration import Service


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
    addresses = Addresses(environ, judging=False)
    with addresses.legacy() as main, addresses.context(service.context("")) as context:
        rng = random.Random(seed)  # noqa: S311 - dice
        yield World(service, context, main, environ, rng, subject_ref, prefers, dry_run)
