"""docs/reference/tables.md: every table of the toolkit, with the statement that makes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from outbox.schema import Part, fresh
from outbox.schema.parts import CONSUMER, OUTBOX
from strangler.schema.parts import CONTEXT, STRANGLER
from tests.pages.words import row

TOP = """# Tables

Made of the migrations by `python -m tests.pages`. `outbox migrate` and `strangler migrate` make them
([how](../howto/tables.md)). Their columns may be read by anybody who has the right; they are written by the toolkit
alone. Tables grow, a release takes none away. `SCHEMA` is the consumer's or service's own, by default its name.
Each part keeps its version in a table of its own, `..._version`.
"""
ANY = "SCHEMA"


class Room(NamedTuple):
    """A part of the schema, and what each of its tables is for."""

    part: Part
    schema: str
    about: str
    tables: Mapping[str, str]


ROOMS = (
    Room(
        OUTBOX,
        "outbox",
        "Events that are to be published.",
        {
            "outbox": "one row for each event, in the transaction of what it tells; partitions by day, made ahead, "
            "dropped by nobody but you",
        },
    ),
    Room(
        CONSUMER,
        ANY,
        "What a consumer keeps beside its effects.",
        {
            "position": "how far each lane of a partition is done; moved in the transaction of the effects",
            "quarantine": "parked events: pointers into the log, the reason, and what a person gave for the replay",
            "quarantine_audit": "who did what to which of them, and why",
            "retry_budget": "what the group may still retry",
            "member": "what each member says once a second: which partitions it holds, and what stands still",
        },
    ),
    Room(
        CONTEXT,
        ANY,
        "What a service keeps of its acts, beside its consumer's tables.",
        {
            "claim": "who has the row has acted: one for each subject, step and intent number",
            "passed_over": "versions that say nothing to a step which waits for versions",
            "intent": "what a shadow would have done",
            "effect": "calls to vendors: planned with the claim, sent after the commit",
        },
    ),
    Room(
        STRANGLER,
        "strangler",
        "Stages, owners, requests, what legacy did, and verdicts. In the database of the application.",
        {
            "epoch": "one number, raised by every move of a stage",
            "stage": "where each step and read is, and the share of a ramp",
            "read_count": "what became of reads that another application takes over, by the move that came before",
            "stage_move": "the audit of moves",
            "ownership": "the owner of each step of a subject, pinned with its request",
            "subject_alias": "the reference of a subject that the application knows by an id of its own",
            "idempotency": "requests that were claimed, and their first answers",
            "admission_share": "the slots of a plan's admission that each worker of a facade holds",
            "claim_release": "of which of them an operator has said that nothing came, with who and why",
            "hand_back": "subjects that went back to legacy, with who and why",
            "seam_record": "what legacy's steps did",
            "subject_change": "each change of a subject, and which process made it",
            "reconciliation_run": "runs of `strangler reconcile`, with the frontier that they reached",
            "verdict": "final verdicts; what is late or unknown is judged again",
            "continuation": "subjects that wait for a step of the new side, and what is still to run",
            "authority": "who writes what subjects share, such as stock",
            "authority_move": "the audit of its moves",
            "mode": "who declared which mode, why, until when; the newest that is open is the one that holds",
            "backfill": "how far a step's backfill has come",
        },
    ),
)
CREATE = re.compile(r'CREATE (?:UNLOGGED )?TABLE (?:"?\w+"?)\.(\w+) ?\(')


def page() -> str:
    """The whole page."""
    lines = [TOP]
    for room in ROOMS:
        lines += [f"## {room.part.name}", "", room.about, "", "| Table | |", "|---|---|"]
        lines += [
            row(f"[`{room.schema}.{name}`](#{room.schema.lower()}{name})", what) for name, what in room.tables.items()
        ]
        lines.append("")
        for name, statement in statements(room):
            lines += [f"### {room.schema}.{name}", "", "```sql", statement, "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def statements(room: Room) -> Iterator[tuple[str, str]]:
    """Each table but that of the version, with the statement that makes it."""
    for statement in fresh(room.part, room.schema):
        found = CREATE.match(statement)
        if found and found[1] != room.part.version_table:
            yield found[1], dedented(statement.replace(f'"{ANY}"', ANY).replace(f'"{room.schema}"', room.schema))


def dedented(statement: str) -> str:
    """With four spaces before each column, however deep the statement stands in its module."""
    if "\n" not in statement:
        return statement
    first, *columns, last = statement.splitlines()
    depth = min(len(line) - len(line.lstrip()) for line in columns)
    return "\n".join([first, *(f"    {line[depth:]}" for line in columns), last.strip()])
