"""What a consumer keeps beside its effects: positions, quarantine and its audit, the retry budget, its members."""

from outbox.schema.script import Execute

revision = "consumer_0001"
down_revision = None
branch_labels = ("consumer",)
depends_on = None

# ask_below: up to there positions do not tell a repeat, for a person let a source go on that had jumped or fallen.
POSITION = """
CREATE TABLE {schema}.position (
    group_name  text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    lane        integer     NOT NULL,
    lanes       integer     NOT NULL CHECK (lanes > lane),
    incarnation text        NOT NULL,
    next_offset bigint      NOT NULL,
    source      text,
    lsn         bigint,
    ordinal     integer,
    fence       bigint      NOT NULL,
    ask_below   bigint      NOT NULL DEFAULT 0,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_name, topic, partition, lane)
)"""

# Pointers, not payloads. A row without resolved_at parks later events of the same key behind it.
# kept_*: the record itself, once its pointer may outlive the log. replacement*: what a person gave for the replay.
# aggregate_*: of the event that was parked; null where it could not be read. An id may hold what is no text here.
QUARANTINE = """
CREATE TABLE {schema}.quarantine (
    group_name          text        NOT NULL,
    topic               text        NOT NULL,
    incarnation         text        NOT NULL,
    partition           integer     NOT NULL,
    "offset"            bigint      NOT NULL,
    key                 bytea,
    reason              text        NOT NULL,
    parked_at           timestamptz NOT NULL DEFAULT now(),
    resolved_at         timestamptz,
    kept_value          bytea,
    kept_headers        jsonb,
    replacement         bytea,
    replacement_headers jsonb,
    replay_requested_at timestamptz,
    aggregate_id        bytea,
    aggregate_version   bigint,
    resolution          text        CHECK (resolution IN ('replayed', 'discarded')),
    PRIMARY KEY (group_name, topic, incarnation, partition, "offset")
)"""

# A key may have any length, an index row may not.
QUARANTINE_KEY = """
CREATE INDEX quarantine_open_key ON {schema}.quarantine (group_name, topic, sha256(key)) WHERE resolved_at IS NULL"""

QUARANTINE_OPEN = """
CREATE INDEX quarantine_open ON {schema}.quarantine (group_name, topic, partition, "offset")
WHERE resolved_at IS NULL"""

# Who did what to which parked event, and why. Append only.
QUARANTINE_AUDIT = """
CREATE TABLE {schema}.quarantine_audit (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    actor      text        NOT NULL,
    verb       text        NOT NULL,
    reason     text        NOT NULL,
    group_name text        NOT NULL,
    topic      text        NOT NULL,
    partition  integer     NOT NULL,
    "offset"   bigint      NOT NULL
)"""

# Credits of this half of their lifetime (fresh) and of the one before (stale).
RETRY_BUDGET = """
CREATE TABLE {schema}.retry_budget (
    name       text             PRIMARY KEY,
    generation bigint           NOT NULL,
    fresh      double precision NOT NULL,
    stale      double precision NOT NULL,
    accrued_at double precision NOT NULL
)"""

# What each member says once a second: which partitions it holds ([[topic, number], ...]; null: it took its leave), and
# what stands still.
MEMBER = """
CREATE TABLE {schema}.member (
    group_name text        NOT NULL,
    member     text        NOT NULL,
    seen_at    timestamptz NOT NULL DEFAULT now(),
    held       jsonb       NOT NULL,
    standing   jsonb       NOT NULL,
    PRIMARY KEY (group_name, member)
)"""


def upgrade(execute: Execute) -> None:
    for statement in (POSITION, QUARANTINE, QUARANTINE_KEY, QUARANTINE_OPEN, QUARANTINE_AUDIT, RETRY_BUDGET, MEMBER):
        execute(statement)
