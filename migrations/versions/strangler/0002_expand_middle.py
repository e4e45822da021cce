"""The middle of the chain: orders that wait for an outcome, and who may write what orders share."""

from alembic import op

revision = "strangler_0002"
down_revision = "strangler_0001"
branch_labels = None
depends_on = None

TABLES = (
    # An order that was committed as pending. waiting -> ready (the outcome is there) -> done (claimed, in the
    # transaction that ran the rest). Until wait_until the request that waits goes first.
    """CREATE TABLE strangler.continuation (
        order_ref       text        NOT NULL,
        waits_for       text        NOT NULL,
        state           text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'ready', 'done')),
        outcome         jsonb,
        wait_until      timestamptz NOT NULL,
        attempts        integer     NOT NULL DEFAULT 0,
        next_attempt_at timestamptz NOT NULL DEFAULT now(),
        created_at      timestamptz NOT NULL DEFAULT now(),
        ended_at        timestamptz,
        PRIMARY KEY (order_ref, waits_for)
    )""",
    "CREATE INDEX continuation_ready ON strangler.continuation (next_attempt_at) WHERE state = 'ready'",
    "CREATE INDEX continuation_waiting ON strangler.continuation (created_at) WHERE state = 'waiting'",
    # One writer of record for what orders share (stock). Read under a shared advisory lock, which a move takes alone.
    """CREATE TABLE strangler.authority (
        resource text        PRIMARY KEY,
        holder   text        NOT NULL CHECK (holder IN ('legacy', 'new')),
        epoch    bigint      NOT NULL DEFAULT 1,
        moved_at timestamptz NOT NULL DEFAULT now()
    )""",
    # The audit: one row per move, never updated. epoch = the epoch that the move began.
    """CREATE TABLE strangler.authority_move (
        resource    text        NOT NULL,
        epoch       bigint      NOT NULL,
        from_holder text        NOT NULL,
        to_holder   text        NOT NULL,
        actor       text        NOT NULL,
        reason      text        NOT NULL,
        evidence    jsonb       NOT NULL DEFAULT '{}',
        moved_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (resource, epoch)
    )""",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("authority_move", "authority", "continuation"):
        op.execute(f"DROP TABLE strangler.{table}")
