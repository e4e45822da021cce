"""`disease`, `invariants`, `nightly`, `seams`: what can be counted of the monolith, and the batch that collides."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from legacy_app.environ import needed
from legacy_app.rehearsal.accounts.disease import count_disease
from legacy_app.rehearsal.accounts.invariants import check_invariants
from legacy_app.seam_lines import count_seam_lines, table


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verbs."""
    add(verbs, "disease", "count payments without an order, duplicate orders and their like", disease)
    add(verbs, "invariants", "count what has doubled or is lost on the new side", invariants)
    add(verbs, "seams", "count the monolith's lines that strangling changed", seams)


def disease(args: argparse.Namespace) -> int:
    """Exit 1 when there is any of it."""
    counted = count_disease(needed("STRANGLER_DSN"), needed("VENDORS_URL"))
    emit(args, asdict(counted))
    sick = counted.duplicate_orders + counted.payments_without_order + counted.double_charged
    return 1 if sick + counted.mails_without_order else 0


def invariants(args: argparse.Namespace) -> int:
    """Exit 1 when something does not add up."""
    found = check_invariants(needed("STRANGLER_DSN"), needed("VENDORS_URL"))
    emit(args, {**asdict(found), "doubled": found.doubled, "lost": found.lost})
    return 1 if found.doubled or found.lost else 0


def seams(args: argparse.Namespace) -> int:
    count = count_seam_lines()
    emit(args, asdict(count), table(count))
    return 0


def add(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text)
    parser.add_argument("--json", action="store_true", help="the counts as JSON")
    parser.set_defaults(run=run)
    return parser


def emit(args: argparse.Namespace, data: Mapping[str, Any], lines: Iterable[str] | None = None) -> None:
    if args.json:
        print(json.dumps(data))
        return
    for line in lines if lines is not None else (f"{name}: {value}" for name, value in data.items()):
        print(line)
