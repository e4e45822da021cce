"""How a verb of `outbox` is added to the command."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TypeAlias

from outbox.settings import described
from outbox.verbs.call import Call

Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Verb = Callable[[Call], int]


def add(verbs: Verbs, name: str, run: Verb, purpose: str, flags: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Its parser; `flags` are variables that a flag of the same name stands in for."""
    parser = verbs.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=f"Environment:\n{described()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for variable in flags:
        flag = "--" + variable.removeprefix("OUTBOX_").lower().replace("_", "-")
        parser.add_argument(flag, dest=variable, metavar="VALUE", help=f"instead of {variable}")
    parser.set_defaults(run=run)
    return parser
