"""A role for each kind of process, with the rights that it needs of the toolkit's tables and no more; pure SQL text.

Passwords are nobody's here: set one by psql's `\\password`, or authenticate by certificate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from outbox.schema.parts import quoted
from strangler.contexts import Context
from strangler.errors import BadPlan
from strangler.plan import Plan

RELAY, FACADE, MONOLITH, JUDGE = "relay", "facade", "monolith", "judge"
NAME_BYTES = 63
ROWS = "SELECT, INSERT, UPDATE, DELETE"

CREATE = """DO $role$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {text}) THEN
        CREATE ROLE {name} LOGIN{more};
    END IF;
END $role$"""


@dataclass(frozen=True, slots=True)
class Role:
    """`kind` is `relay`, `facade`, `monolith`, `judge`, or the name of a context. `grants` follow GRANT, up to TO."""

    kind: str
    name: str
    grants: tuple[str, ...]

    def statements(self) -> Iterator[str]:
        """Idempotent."""
        more = " REPLICATION" if self.kind == RELAY else ""
        text = "'" + self.name.replace("'", "''") + "'"
        yield CREATE.format(text=text, name=quoted(self.name), more=more)
        for grant in self.grants:
            yield f"GRANT {grant} TO {quoted(self.name)}"


def role_name(prefix: str, kind: str) -> str:
    """Roles are the whole server's, so each installation has a prefix. Too long a name ends in a digest.

    >>> role_name("shop", "relay")
    'shop_relay'
    """
    name = f"{prefix}_{kind}"
    if len(name.encode()) <= NAME_BYTES:
        return name
    digest = blake2b(name.encode(), digest_size=4).hexdigest()
    return name.encode()[: NAME_BYTES - len(digest) - 1].decode(errors="ignore") + f"_{digest}"


def roles_of(plan: Plan, prefix: str) -> Sequence[Role]:
    """Every role of a plan: those of the toolkit's processes, the monolith's with its seams, and one for each context.

    The monolith's and the contexts' lack what they need of the application's own tables: grant it beside.
    """
    contexts = plan.contexts()
    for name in sorted({RELAY, FACADE, MONOLITH, JUDGE} & set(contexts)):
        raise BadPlan(f"a context of plan {plan.name!r} is called {name!r}, as the role of something else; rename it")
    resumer = list(plan.resumer_context().values())
    schemas = [context.schema for context in (*contexts.values(), *resumer)]
    known = {**contexts, **plan.resumer_context()}
    promised = () if plan.admission is None else plan.admission.promised_contexts
    kinds = {
        RELAY: _RELAY,
        FACADE: (*_FACADE, *(grant for name in promised if name in known for grant in _lag(known[name]))),
        MONOLITH: (*_MONOLITH, *(grant for context in resumer for grant in _consuming(context))),
        JUDGE: (*_JUDGE, *(grant for schema in schemas for grant in _reading(schema))),
        **{
            name: (
                *_SERVICE,
                *_own(context),
                *(grant for fed in plan.feeds(name).values() for grant in _giving_way(fed)),
            )
            for name, context in contexts.items()
        },
    }
    return [Role(kind, role_name(prefix, kind), grants) for kind, grants in kinds.items()]


# The slot needs no right on the table; whether events came before the slot does.
_RELAY = (
    "USAGE ON SCHEMA outbox",
    "SELECT ON outbox.outbox",
    "EXECUTE ON FUNCTION outbox.make_partition(date)",
)
# Pins ownership, keeps claims and answers, throws away what has expired; counts what became of reads; shares slots.
_FACADE = (
    "USAGE ON SCHEMA strangler",
    "SELECT ON strangler.epoch, strangler.stage, strangler.stage_move, strangler.mode",
    "SELECT, INSERT, UPDATE ON strangler.read_count",
    "SELECT, INSERT, DELETE ON strangler.ownership",
    "SELECT, INSERT ON strangler.subject_alias",
    f"{ROWS} ON strangler.idempotency, strangler.admission_share",
)
# Appends, records at its seams, goes on with subjects that wait, asks who holds what subjects share.
_MONOLITH = (
    "USAGE ON SCHEMA outbox, strangler",
    "INSERT ON outbox.outbox",
    "EXECUTE ON FUNCTION strangler.record_seam, strangler.unrecorded_changes",
    "SELECT ON strangler.seam_record",
    "SELECT, INSERT, UPDATE ON strangler.subject_change",
    "USAGE ON SEQUENCE strangler.process_number",
    f"{ROWS} ON strangler.continuation",
    "SELECT ON strangler.ownership, strangler.authority",
    "EXECUTE ON FUNCTION strangler.pin_alias(text, text, text), strangler.pin_part(text, text)",
)
# Emits, asks whether it may shed, who holds what subjects share, and whether the tables are up to date.
_SERVICE = (
    "USAGE ON SCHEMA outbox, strangler",
    "INSERT ON outbox.outbox",
    "SELECT ON outbox.outbox_version",
    "SELECT ON strangler.authority, strangler.mode, strangler.verdict, strangler.reconciliation_run",
)
# Reads both sides, writes verdicts; sees whose transactions are open.
_JUDGE = (
    "pg_read_all_stats",
    "USAGE ON SCHEMA outbox, strangler",
    "SELECT ON ALL TABLES IN SCHEMA outbox, strangler",
    "SELECT ON SEQUENCE strangler.process_number",
    "INSERT, UPDATE, DELETE ON strangler.verdict",
    "INSERT ON strangler.reconciliation_run",
)


def _reading(schema: str) -> Sequence[str]:
    return f"USAGE ON SCHEMA {quoted(schema)}", f"SELECT ON ALL TABLES IN SCHEMA {quoted(schema)}"


def _lag(context: Context) -> Sequence[str]:
    """How far it has come, and what stands: a class of work has promised that."""
    schema = quoted(context.schema)
    return f"USAGE ON SCHEMA {schema}", f"SELECT ON {schema}.position, {schema}.member"


def _giving_way(fed: Context) -> Sequence[str]:
    """How far another context has come, and nothing of what it was told."""
    schema = quoted(fed.schema)
    parked = 'group_name, topic, partition, incarnation, "offset", kept_headers, parked_at, resolved_at'
    return (
        f"USAGE ON SCHEMA {schema}",
        f"SELECT ON {schema}.position, {schema}.member",
        f"SELECT ({parked}) ON {schema}.quarantine",
        f"SELECT (step, state, next_attempt_at) ON {schema}.effect",
    )


def _consuming(context: Context) -> Sequence[str]:
    """The audit of the quarantine is append only, and versions are the migration's."""
    schema = quoted(context.schema)
    tables = ", ".join(f"{schema}.{table}" for table in ("position", "quarantine", "retry_budget", "member"))
    return (
        f"USAGE ON SCHEMA {schema}",
        f"{ROWS} ON {tables}",
        f"SELECT, INSERT ON {schema}.quarantine_audit",
        f"SELECT ON {schema}.consumer_version",
    )


def _own(context: Context) -> Sequence[str]:
    """A claim is never deleted: without it somebody could act again."""
    schema = quoted(context.schema)
    return (
        *_consuming(context),
        f"SELECT, INSERT, UPDATE ON {schema}.claim",
        f"SELECT, INSERT ON {schema}.passed_over",
        f"SELECT ON {schema}.context_version",
        f"{ROWS} ON {schema}.intent, {schema}.effect",
    )
