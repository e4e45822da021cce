"""`strangler effects list | done | refused | again NAME`: say what became of effects whose outcome nobody knows."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from outbox import flags
from strangler.cli.common import Invocation, audited
from strangler.cli.run import service_of
from strangler.errors import BadInput
from strangler.service.declaration import Service
from strangler.service.unsettled import Unsettled, send_again, settle, unsettled
from strangler.step.effect_table import Ending
from strangler.step.intents import Json
from strangler.told import told

VERBS = {
    "done": "the vendor has done it",
    "refused": "the vendor has not done it, and never will",
    "again": "the vendor has not done it: ask it once more",
}


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("effects", help="settle effects whose outcome no question can find out")
    verbs = parser.add_subparsers(title="verbs", dest="effects_verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="unsettled effects, the oldest first")
    listing.add_argument("--limit", type=flags.count, default=50, help="at most so many (default 50)")
    listing.set_defaults(run=run_list)
    for name, what in VERBS.items():
        settling = verbs.add_parser(name, help=what)
        audited(settling)
        settling.set_defaults(run=run_settle)
    verbs.choices["done"].add_argument(
        "--keep", action="append", default=[], metavar="NAME=VALUE", help="what of the vendor's answer `conclude` needs"
    )
    for sub in verbs.choices.values():
        sub.add_argument("name", metavar="NAME", help="a service of the plan")
    for name in VERBS:
        verbs.choices[name].add_argument("key", metavar="KEY", help="the effect's key, as `list` prints it")


def run_list(invocation: Invocation) -> int:
    service = _service(invocation)
    with invocation.inside(service.schema) as connection:
        found = unsettled(connection, service.name, limit=invocation.args.limit)
    lines = [_line(one) for one in found]
    invocation.emit(
        {"effects": [{**asdict(one), "first_sent_at": one.first_sent_at.isoformat()} for one in found]},
        lines or ["no unsettled effect"],
    )
    return 0


def run_settle(invocation: Invocation) -> int:
    """Exit 0, or 1 where there is no such effect."""
    args, said = invocation.args, told(invocation.actor, invocation.args.reason)
    kept = _kept(args.keep) if args.effects_verb == "done" else {}
    service = _service(invocation)
    with invocation.inside(service.schema) as connection, connection.transaction(force_rollback=args.dry_run):
        if args.effects_verb == "again":
            send_again(connection, service, args.key, said)
        else:
            settle(connection, service, args.key, Ending(args.effects_verb), said, kept=kept)
    text = f"{'would be ' if args.dry_run else ''}{args.effects_verb}: {args.key}"
    invocation.emit({"key": args.key, "settled": args.effects_verb, "dry_run": args.dry_run}, [text])
    return 0


def _service(invocation: Invocation) -> Service:
    return service_of(invocation.plan(services=False), invocation.args.name)


def _kept(pairs: Sequence[str]) -> Mapping[str, Json]:
    kept = dict(pair.partition("=")[::2] for pair in pairs)
    if "" in kept or any("=" not in pair for pair in pairs):
        raise BadInput(f"--keep takes NAME=VALUE, found {' '.join(pairs)[:80]!r}")
    return kept


def _line(one: Unsettled) -> str:
    said = one.outcome.get("reason") or one.outcome.get("status") or ""
    return f"{one.first_sent_at:%Y-%m-%d %H:%M} {one.key} {one.vendor} {one.operation} {said}".rstrip()
