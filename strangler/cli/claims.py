"""`strangler claims list | release`: requests whose key has no answer, and saying that nothing came of one."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict

from outbox import flags
from strangler.cli.common import Invocation, audited, columns
from strangler.facade.open_claims import OpenClaim, OpenState, open_claims, release_lost
from strangler.routes import Route
from strangler.told import told


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("claims", help="requests whose key has no answer yet, or never got one")
    verbs = parser.add_subparsers(title="verbs", dest="claims_verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="claims without an answer, the oldest first")
    listing.add_argument("--limit", type=flags.count, default=50, help="at most so many (default 50)")
    listing.set_defaults(run=run_list)
    releasing = verbs.add_parser("release", help="nothing came of it: its next request is carried out")
    releasing.add_argument("claim", metavar="CLAIM", help="as `list` names it")
    audited(releasing)
    releasing.set_defaults(run=run_release)


def run_list(invocation: Invocation) -> int:
    routes = {route.target: route for route in invocation.plan(services=False).routes}
    with invocation.connect() as connection:
        found = open_claims(connection, invocation.args.limit)
    rows = [(one.claim, _age(one.age_s), one.state.value, one.route, one.subject_ref) for one in found]
    lines = columns([("CLAIM", "AGE", "STATE", "ROUTE", "REFERENCE"), *rows])
    steps = [f"{one.claim}: {next_step(one, routes)}" for one in found]
    data = [
        {
            **asdict(one),
            "claimed_at": one.claimed_at.isoformat(),
            "expires_at": one.expires_at.isoformat(),
            "next_step": next_step(one, routes),
        }
        for one in found
    ]
    invocation.emit({"claims": data}, [*lines, *steps] if found else ["every key has its answer"])
    return 0


def run_release(invocation: Invocation) -> int:
    """Exit 0, or 1 where it is no claim whose outcome is unknown."""
    args, said = invocation.args, told(invocation.actor, invocation.args.reason)
    with invocation.connect() as connection, connection.transaction(force_rollback=args.dry_run):
        ref = release_lost(connection, args.claim, said)
    would_be = "would be " if args.dry_run else ""
    lines = [f"{would_be}released: {args.claim} of {ref}; its request, sent again, is carried out", "undo: none"]
    invocation.emit({"claim": args.claim, "subject_ref": ref, "dry_run": args.dry_run}, lines)
    return 0


def next_step(claim: OpenClaim, routes: Mapping[str, Route]) -> str:
    """What ends it."""
    route = routes.get(claim.route)
    match claim.state:
        case OpenState.UNDER_WAY:
            return "wait: a facade works on it, or was killed at it moments ago"
        case OpenState.RELEASED:
            return "its request, sent again, is carried out"
        case OpenState.UNKNOWN if route is not None and (route.creates or route.may_be_repeated):
            return "its request, sent again, is answered by what is found, or carried out where nothing is"
        case _:
            release = f"strangler claims release {claim.claim} --reason ..."
            return f"look at {claim.subject_ref}: if nothing came of it, {release}; else its client must not ask again"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
