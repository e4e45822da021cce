"""A local stack for tests, benchmarks and the sample: PostgreSQL, Kafka and processes of ours, gone with their program.

Names are loaded when first used, as those of `strangler` are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox.lazy import names_from

if TYPE_CHECKING:
    from strangler.local.process import Running as Running
    from strangler.local.process import tail as tail
    from strangler.local.removal import remove_stack as remove_stack
    from strangler.local.stack import Stack as Stack
    from strangler.local.stack_file import StackFile as StackFile
    from strangler.local.system import TOPIC_PREFIX as TOPIC_PREFIX
    from strangler.local.system import System as System
    from strangler.local.waiting import wait_until as wait_until

_HOMES = {
    "Running": "strangler.local.process",
    "Stack": "strangler.local.stack",
    "StackFile": "strangler.local.stack_file",
    "System": "strangler.local.system",
    "TOPIC_PREFIX": "strangler.local.system",
    "remove_stack": "strangler.local.removal",
    "tail": "strangler.local.process",
    "wait_until": "strangler.local.waiting",
}
__all__ = list(_HOMES)

if not TYPE_CHECKING:  # else every misspelled name would have a type
    __getattr__, __dir__ = names_from(__name__, _HOMES)
