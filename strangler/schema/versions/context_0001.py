"""What a service keeps of its acts: claims, intents, effects. Beside it stand its consumer's tables."""

from outbox.schema.script import Execute

revision = "context_0001"
down_revision = None
branch_labels = ("context",)
depends_on = None

# Whoever has the row has acted. `tombstone`: handed back, this side must never act. `backfilled`: legacy has acted on
# the subject; this side has the row that follows, and nothing else. `shed`: given up by that clause of the policy;
# nobody has acted. Who acts later takes it over, and the clause stays. Of what was applied: how many intents the event
# had, and a digest of each; NULL where nothing is known of them.
CLAIM = """
CREATE TABLE {schema}.claim (
    subject_ref  text        NOT NULL,
    step       text        NOT NULL,
    number     integer     NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('applied', 'tombstone', 'backfilled', 'shed')),
    epoch      bigint      NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    clause     text,
    intents    integer,
    digest     text,
    PRIMARY KEY (subject_ref, step, number),
    CONSTRAINT claim_clause_check CHECK (kind <> 'shed' OR clause IS NOT NULL)
)"""

# Versions that say nothing to a step which waits for versions: they are handled too.
PASSED_OVER = """
CREATE TABLE {schema}.passed_over (
    subject_ref text   NOT NULL,
    step        text   NOT NULL,
    version     bigint NOT NULL,
    PRIMARY KEY (subject_ref, step, version)
)"""

# What a shadow would have done, for the comparator.
INTENT = """
CREATE TABLE {schema}.intent (
    subject_ref   text        NOT NULL,
    step        text        NOT NULL,
    version     bigint      NOT NULL,
    epoch       bigint      NOT NULL,
    intents     jsonb       NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject_ref, step, version)
)"""

# planned -> sent (committed before the call) -> done | unknown | refused
# carry: what follows an effect's outcome needs of the event that planned it. Never sent to the vendor.
EFFECT = """
CREATE TABLE {schema}.effect (
    subject_ref       text        NOT NULL,
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
    carry           jsonb       NOT NULL DEFAULT '{}',
    PRIMARY KEY (subject_ref, step, number)
)"""

EFFECT_DUE = """
CREATE INDEX effect_due ON {schema}.effect (next_attempt_at) WHERE state IN ('planned', 'sent', 'unknown')"""


def upgrade(execute: Execute) -> None:
    for statement in (CLAIM, PASSED_OVER, INTENT, EFFECT, EFFECT_DUE):
        execute(statement)
