"""`strangler positions` and `strangler quarantine`: the verbs of `outbox`, at the stack's database."""

from __future__ import annotations

import argparse

from outbox.verbs import positions, quarantine


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    positions.register(subparsers)
    quarantine.register(subparsers)
