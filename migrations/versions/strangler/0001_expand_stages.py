"""Stages and their audit, ownership and idempotency, hand-backs, seam records, verdicts."""

from alembic import op

revision = "strangler_0001"
down_revision = None
branch_labels = ("strangler",)
depends_on = None

TABLES = (
    'CREATE TABLE strangler.epoch ("only" boolean PRIMARY KEY DEFAULT true CHECK ("only"), epoch bigint NOT NULL)',
    "INSERT INTO strangler.epoch (epoch) VALUES (1)",
    """CREATE TABLE strangler.stage (
        step    text    PRIMARY KEY,
        stage   text    NOT NULL CHECK (stage IN ('legacy', 'shadow', 'ramp', 'live', 'retired')),
        ramp_bp integer NOT NULL DEFAULT 0 CHECK (ramp_bp BETWEEN 0 AND 10000),
        salt    text    NOT NULL
    )""",
    # The audit: one row per move, never updated. epoch = the epoch that the move began.
    """CREATE TABLE strangler.stage_move (
        epoch      bigint      PRIMARY KEY,
        step       text        NOT NULL,
        from_stage text        NOT NULL,
        to_stage   text        NOT NULL,
        from_bp    integer     NOT NULL,
        to_bp      integer     NOT NULL,
        actor      text        NOT NULL,
        reason     text        NOT NULL,
        evidence   jsonb       NOT NULL DEFAULT '{}',
        moved_at   timestamptz NOT NULL DEFAULT now()
    )""",
    # The owner of each step of an order; `owners` is the ownership header. Changed only by a hand-back.
    """CREATE TABLE strangler.ownership (
        order_ref text        PRIMARY KEY,
        epoch     bigint      NOT NULL,
        owners    text        NOT NULL,
        pinned_at timestamptz NOT NULL DEFAULT now()
    )""",
    "CREATE INDEX ownership_epoch ON strangler.ownership (epoch)",
    """CREATE TABLE strangler.idempotency (
        tenant      text        NOT NULL,
        key         text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
        fingerprint bytea       NOT NULL,
        order_ref   text        NOT NULL,
        state       text        NOT NULL CHECK (state IN ('started', 'done')),
        lease_until timestamptz NOT NULL,
        status      integer,
        headers     jsonb,
        body        bytea,
        created_at  timestamptz NOT NULL DEFAULT now(),
        expires_at  timestamptz NOT NULL,
        PRIMARY KEY (tenant, key)
    )""",
    "CREATE INDEX idempotency_expiry ON strangler.idempotency (expires_at)",
    "CREATE INDEX idempotency_order ON strangler.idempotency (order_ref)",
    # Audited change of an order's owner on demotion: tombstoned on the new side, then run by legacy.
    """CREATE TABLE strangler.hand_back (
        order_ref    text        NOT NULL,
        step         text        NOT NULL,
        pinned_epoch bigint      NOT NULL,
        state        text        NOT NULL CHECK (state IN ('tombstoned', 'done')),
        actor        text        NOT NULL,
        reason       text        NOT NULL,
        at           timestamptz NOT NULL DEFAULT now(),
        done_at      timestamptz,
        PRIMARY KEY (order_ref, step)
    )""",
    # Written by the seam in the legacy transaction (so: in the legacy database). One row per acted event.
    """CREATE TABLE strangler.seam_record (
        order_ref   text        NOT NULL,
        step        text        NOT NULL,
        version     bigint      NOT NULL,
        owner       text        NOT NULL CHECK (owner IN ('legacy', 'shadow')),
        epoch       bigint      NOT NULL,
        inputs      jsonb       NOT NULL,
        outcome     jsonb,
        intents     jsonb       NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (order_ref, step, version)
    )""",
    """CREATE TABLE strangler.reconciliation_run (
        run_id     uuid        PRIMARY KEY,
        scope      text        NOT NULL,
        frontier   jsonb       NOT NULL,
        counts     jsonb       NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at   timestamptz NOT NULL
    )""",
    # Final verdicts only; LATE and UNKNOWN are judged again by the next run.
    """CREATE TABLE strangler.verdict (
        step      text        NOT NULL,
        order_ref text        NOT NULL,
        number    integer     NOT NULL,
        class     text        NOT NULL,
        owner     text        NOT NULL,
        fields    jsonb       NOT NULL DEFAULT '[]',
        detail    jsonb       NOT NULL DEFAULT '{}',
        run_id    uuid        NOT NULL REFERENCES strangler.reconciliation_run,
        PRIMARY KEY (step, order_ref, number)
    )""",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA strangler")
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP SCHEMA strangler CASCADE")
