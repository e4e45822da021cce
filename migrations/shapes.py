"""Tables that every context has in its own schema: positions and quarantine, claims, intents, effects.

A shape is frozen once released: a change is a new function here and a new revision in each branch.
"""

POSITION_1 = """
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
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (group_name, topic, partition, lane)
)"""

# Pointers, not payloads. A row without resolved_at parks later events of the same key behind it.
QUARANTINE_1 = """
CREATE TABLE {schema}.quarantine (
    group_name  text        NOT NULL,
    topic       text        NOT NULL,
    incarnation text        NOT NULL,
    partition   integer     NOT NULL,
    "offset"    bigint      NOT NULL,
    key         bytea,
    reason      text        NOT NULL,
    parked_at   timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    PRIMARY KEY (group_name, topic, incarnation, partition, "offset")
)"""

QUARANTINE_KEY_1 = """
CREATE INDEX quarantine_open_key ON {schema}.quarantine (group_name, topic, key) WHERE resolved_at IS NULL"""

# Whoever has the row has acted. `tombstone`: handed back, this side must never act.
CLAIM_1 = """
CREATE TABLE {schema}.claim (
    order_ref  text        NOT NULL,
    step       text        NOT NULL,
    number     integer     NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('applied', 'tombstone')),
    epoch      bigint      NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_ref, step, number)
)"""

# What a shadow would have done, for the comparator.
INTENT_1 = """
CREATE TABLE {schema}.intent (
    order_ref   text        NOT NULL,
    step        text        NOT NULL,
    version     bigint      NOT NULL,
    epoch       bigint      NOT NULL,
    intents     jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_ref, step, version)
)"""

# planned -> sent (committed before the call) -> done | unknown | refused
EFFECT_1 = """
CREATE TABLE {schema}.effect (
    order_ref       text        NOT NULL,
    step            text        NOT NULL,
    number          integer     NOT NULL,
    key             text        NOT NULL UNIQUE,
    vendor          text        NOT NULL,
    operation       text        NOT NULL,
    body            jsonb       NOT NULL,
    state           text        NOT NULL DEFAULT 'planned'
                                CHECK (state IN ('planned', 'sent', 'done', 'unknown', 'refused')),
    attempts        integer     NOT NULL DEFAULT 0,
    planned_at      timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    first_sent_at   timestamptz,
    ended_at        timestamptz,
    outcome         jsonb,
    PRIMARY KEY (order_ref, step, number)
)"""

EFFECT_DUE_1 = """
CREATE INDEX effect_due ON {schema}.effect (next_attempt_at) WHERE state IN ('planned', 'sent', 'unknown')"""

CONTEXT_1 = (POSITION_1, QUARANTINE_1, QUARANTINE_KEY_1, CLAIM_1, INTENT_1, EFFECT_1, EFFECT_DUE_1)

# What follows an effect's outcome needs of the event that planned it: its context, the order. Never sent to the vendor.
EFFECT_CARRY_2 = "ALTER TABLE {schema}.effect ADD COLUMN carry jsonb NOT NULL DEFAULT '{{}}'"

CONTEXT_2 = (EFFECT_CARRY_2,)

# The retry budget of a context: credits of this half of their lifetime (fresh) and of the one before (stale).
RETRY_BUDGET_3 = """
CREATE TABLE {schema}.retry_budget (
    name       text             PRIMARY KEY,
    generation bigint           NOT NULL,
    fresh      double precision NOT NULL,
    stale      double precision NOT NULL,
    accrued_at double precision NOT NULL
)"""

# kept_*: the record itself, once its pointer may outlive the log. replacement*: what a person gave for the replay.
QUARANTINE_CARE_3 = """
ALTER TABLE {schema}.quarantine
    ADD COLUMN kept_value          bytea,
    ADD COLUMN kept_headers        jsonb,
    ADD COLUMN replacement         bytea,
    ADD COLUMN replacement_headers jsonb,
    ADD COLUMN replay_requested_at timestamptz,
    ADD COLUMN resolution          text CHECK (resolution IN ('replayed', 'discarded'))"""

QUARANTINE_OPEN_3 = """
CREATE INDEX quarantine_open ON {schema}.quarantine (group_name, topic, partition, "offset")
WHERE resolved_at IS NULL"""

# Who did what to which parked event, and why. Append only.
QUARANTINE_AUDIT_3 = """
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

CONTEXT_3 = (RETRY_BUDGET_3, QUARANTINE_CARE_3, QUARANTINE_OPEN_3, QUARANTINE_AUDIT_3)

UNDO_CONTEXT_3 = (
    "DROP TABLE {schema}.quarantine_audit",
    "DROP INDEX {schema}.quarantine_open",
    """ALTER TABLE {schema}.quarantine DROP COLUMN kept_value, DROP COLUMN kept_headers, DROP COLUMN replacement,
       DROP COLUMN replacement_headers, DROP COLUMN replay_requested_at, DROP COLUMN resolution""",
    "DROP TABLE {schema}.retry_budget",
)

# `backfilled`: legacy has acted on the order; this side has the row that follows, and nothing else.
CLAIM_BACKFILLED_4 = """
ALTER TABLE {schema}.claim DROP CONSTRAINT claim_kind_check,
    ADD CONSTRAINT claim_kind_check CHECK (kind IN ('applied', 'tombstone', 'backfilled'))"""

CONTEXT_4 = (CLAIM_BACKFILLED_4,)

UNDO_CONTEXT_4 = (
    "DELETE FROM {schema}.claim WHERE kind = 'backfilled'",
    """ALTER TABLE {schema}.claim DROP CONSTRAINT claim_kind_check,
       ADD CONSTRAINT claim_kind_check CHECK (kind IN ('applied', 'tombstone'))""",
)

# `shed`: given up by that clause of the policy; nobody has acted. Who acts later takes it over, and the clause stays.
CLAIM_SHED_5 = """
ALTER TABLE {schema}.claim DROP CONSTRAINT claim_kind_check,
    ADD COLUMN clause text,
    ADD CONSTRAINT claim_kind_check CHECK (kind IN ('applied', 'tombstone', 'backfilled', 'shed')),
    ADD CONSTRAINT claim_clause_check CHECK (kind <> 'shed' OR clause IS NOT NULL)"""

CONTEXT_5 = (CLAIM_SHED_5,)

# What was shed and is forgotten would look missing, which is what it is without the clause.
UNDO_CONTEXT_5 = (
    "DELETE FROM {schema}.claim WHERE kind = 'shed'",
    """ALTER TABLE {schema}.claim DROP CONSTRAINT claim_kind_check, DROP COLUMN clause,
       ADD CONSTRAINT claim_kind_check CHECK (kind IN ('applied', 'tombstone', 'backfilled'))""",
)
