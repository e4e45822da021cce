"""Addresses and tokens: from the environment, else from a stack that runs here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from strangler.errors import BadInput
from strangler.local import StackFile

STACK_FOLDER = Path(".strangler")


def environ() -> Mapping[str, str]:
    """The environment wins over the file of a running stack."""
    found = StackFile.read(STACK_FOLDER)
    return {**(found.environ if found else {}), **os.environ}


def needed(name: str) -> str:
    """The value, or `BadInput` that says how to get one."""
    value = environ().get(name)
    if not value:
        raise BadInput(f"{name} is not set and no stack runs from {STACK_FOLDER}/; run `strangler up`, or set it")
    return value
