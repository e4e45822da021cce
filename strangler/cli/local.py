"""`strangler up`: the whole application on this machine until Ctrl-C. `strangler doctor`: what is missing for it."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from psycopg.conninfo import conninfo_to_dict

from outbox import flags
from strangler.cli.common import Invocation, columns
from strangler.local.databases import PARTS, database_of, url_of
from strangler.local.doctor import examine, examine_topics
from strangler.local.left_slot import slot_left
from strangler.local.stack import Stack
from strangler.local.stack_file import Place, StackFile
from strangler.local.system import TOPIC_PREFIX, System, slot_of
from strangler.local.waiting import wait_until
from strangler.plan import Plan

FOLDER = Path(".strangler")
LOOK_EVERY_S = 0.5


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both verbs."""
    up_parser = subparsers.add_parser("up", help="start PostgreSQL, Kafka and the plan's processes, until Ctrl-C")
    up_parser.add_argument(
        "--facade-workers", type=flags.whole(1, 1_000), default=1, metavar="N", help="facade processes (default 1)"
    )
    up_parser.set_defaults(run=up)
    doctor_parser = subparsers.add_parser("doctor", help="say what is missing on this machine, and the fix")
    doctor_parser.set_defaults(run=doctor)
    for parser in (up_parser, doctor_parser):
        parser.set_defaults(own_stack=True)
        parser.add_argument("--kafka", help="embedded (default), apache, or host:port of yours")
        parser.add_argument("--folder", type=Path, default=FOLDER, help=f"data and logs (default {FOLDER})")


def up(invocation: Invocation) -> int:
    """STRANGLER_DSN and KAFKA_BOOTSTRAP, when set, are used instead of servers of our own."""
    plan, folder = invocation.plan(), invocation.args.folder
    _let_signals_stop_us()
    with suppress(KeyboardInterrupt):
        dsn = invocation.environ.get("STRANGLER_DSN")
        with Stack.start(folder, kafka=_kafka(invocation), dsn=dsn, say=invocation.talk) as stack:
            _run(invocation, stack, plan)
    invocation.talk("stopped; data and logs stay in " + str(folder))
    return 0


def doctor(invocation: Invocation) -> int:
    """Exit 0 when nothing is missing, 1 when something is."""
    kafka = _kafka(invocation)
    findings = examine(invocation.args.folder, kafka, invocation.environ)
    dsn = invocation.environ.get("STRANGLER_DSN")
    if dsn and ":" in kafka and all(finding.ok for finding in findings):
        findings += examine_topics(dsn, invocation.plan(), {**invocation.environ, "KAFKA_BOOTSTRAP": kafka})
    lines = [
        f"ok       {finding.need}: {finding.seen}"
        if finding.ok
        else f"MISSING  {finding.need}: {finding.seen}\n         fix: {finding.fix}"
        for finding in findings
    ]
    ok = all(finding.ok for finding in findings)
    invocation.emit({"ok": ok, "findings": [asdict(finding) for finding in findings]}, lines)
    return 0 if ok else 1


def _run(invocation: Invocation, stack: Stack, plan: Plan) -> None:
    system: System | None = None
    try:
        system = System.start(
            stack,
            plan,
            database=stack.dsn,
            topic_prefix=invocation.environ.get("OUTBOX_TOPIC_PREFIX", TOPIC_PREFIX),
            facade_workers=invocation.args.facade_workers,
            say=invocation.talk,
            plan_path=invocation.settings.plan,
        )
        places = (*_servers(stack), *system.places())
        where = StackFile(os.getpid(), system.environ, places).write(stack.folder)
        invocation.emit({"file": str(where), "places": [asdict(place) for place in places]}, _table(places, where))
        invocation.talk("ready; Ctrl-C stops everything")
        _watch(invocation, system)
    finally:
        StackFile.remove(stack.folder)
        if system is not None:
            system.stop()
        # Also where a start failed half way: the relay may have made it.
        left = slot_left(stack.dsn, slot_of(database_of(stack.dsn))) if stack.postgres is None else None
        if left is not None:
            invocation.talk(left)


def _watch(invocation: Invocation, system: System) -> None:
    """Until a signal comes; a process that ends by itself is named once."""
    ended: set[str] = set()
    while True:
        gone = {name for name, running in system.running.items() if not running.alive()} - ended
        for name in gone:
            invocation.talk(f"{name} has ended by itself; see {system.running[name].log_path}")
        ended |= gone
        wait_until(lambda: False, within_s=LOOK_EVERY_S, every_s=LOOK_EVERY_S)


def _servers(stack: Stack) -> Sequence[Place]:
    parts = conninfo_to_dict(stack.dsn)
    shown = url_of({part: parts.get(part) for part in PARTS})  # never the password
    own = {running.name: running for running in stack.servers()}
    return [
        Place(
            name,
            where,
            own[name].pid if name in own else None,
            str(own[name].log_path) if name in own else None,
        )
        for name, where in (("postgres", shown), ("kafka", stack.bootstrap))
    ]


def _table(places: Sequence[Place], file: Path) -> list[str]:
    rows = [(place.name, place.address or "-", str(place.pid or "-"), place.log or "-") for place in places]
    return [*columns(rows), f"addresses and tokens: {file} (only you can read it)"]


def _kafka(invocation: Invocation) -> str:
    environ: Mapping[str, str] = invocation.environ
    return invocation.args.kafka or environ.get("KAFKA_BOOTSTRAP") or environ.get("KAFKA") or "embedded"


def _let_signals_stop_us() -> None:
    """SIGTERM and a closed terminal stop us as Ctrl-C does; a second one ends us, and the kernel ends our children."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, interrupt)
