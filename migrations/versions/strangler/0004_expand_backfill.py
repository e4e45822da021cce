"""How far the backfill of a step has come with the orders from before its shadow."""

from alembic import op

revision = "strangler_0004"
down_revision = "strangler_0003"
branch_labels = None
depends_on = None

# finished_at: it had come as far as the step's own consumer once; NULL again while it goes on.
TABLE = """
CREATE TABLE strangler.backfill (
    step        text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    next_offset bigint      NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (step, topic, partition)
)"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("DROP TABLE strangler.backfill")
