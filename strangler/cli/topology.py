"""`strangler topology`: contexts, groups, topics and lanes; printed, drawn, or as an AsyncAPI document."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import psycopg

from outbox.connection import connect, unanswered
from outbox.installation import Installation
from outbox.written import destination, write_whole
from strangler.cli.common import Invocation
from strangler.errors import DependencyDown
from strangler.facade.openapi import openapi
from strangler.flows.asyncapi import asyncapi
from strangler.flows.mermaid import mermaid
from strangler.flows.topology import Topology, topology_lines, topology_of
from strangler.step.intents import Json

STDOUT = Path("-")
NOWHERE = "localhost:9092"  # a document needs a server; this is Kafka's own default


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("topology", help="contexts, groups, topics and lanes, printed or drawn")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--mermaid", action="store_true", help="draw it as a Mermaid flowchart")
    how.add_argument("--asyncapi", metavar="FILE|-", type=_target, help="write an AsyncAPI 3 document (JSON) there")
    how.add_argument(
        "--openapi", metavar="FILE|-", type=_target, help="write what the facade says on the owned routes there (JSON)"
    )
    parser.set_defaults(run=run)


def run(invocation: Invocation) -> int:
    plan = invocation.plan()
    if invocation.args.openapi is not None:
        document = openapi(plan)
        return _write(invocation, invocation.args.openapi, document, f"{len(plan.routes)} routes")
    topology = topology_of(plan)
    if invocation.args.asyncapi is not None:
        return _write_asyncapi(invocation, topology)
    lines = mermaid(topology) if invocation.args.mermaid else topology_lines(topology)
    data = {"mermaid": "\n".join(lines)} if invocation.args.mermaid else topology.to_json()
    invocation.emit(data, lines)
    return 0


def _write_asyncapi(invocation: Invocation, topology: Topology) -> int:
    environ, target = invocation.environ, invocation.args.asyncapi
    document = asyncapi(
        topology,
        bootstrap=environ.get("KAFKA_BOOTSTRAP") or NOWHERE,
        topic_prefix=environ.get("OUTBOX_TOPIC_PREFIX", "outbox.event."),
        group_prefix=environ.get("OUTBOX_GROUP_PREFIX", ""),
        mark=_mark(environ),
    )
    return _write(invocation, target, document, f"{len(document['operations'])} operations")


def _write(invocation: Invocation, target: Path, document: Mapping[str, Json], what: str) -> int:
    text = json.dumps(document, indent=2)
    if target == STDOUT:
        invocation.emit(dict(document), text.splitlines())
        return 0
    write_whole(target, f"{text}\n".encode())
    invocation.emit({"written": str(target)}, [f"wrote {target}: {what}"])
    return 0


def _target(text: str) -> Path:
    return STDOUT if text == str(STDOUT) else destination(text)


def _mark(environ: Mapping[str, str]) -> str | None:
    """Of the installation, which its group names end with; None where no database is named."""
    dsn = environ.get("STRANGLER_DSN")
    if not dsn:
        return None
    try:
        with connect(dsn) as connection:
            return Installation.of(connection).mark
    except psycopg.OperationalError as error:
        raise DependencyDown(f"{unanswered(error)}, or unset it: the groups carry that database's mark") from error
