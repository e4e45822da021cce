"""The fraud context: its decisions and reviews, positions, claims, intents and effects, in its own schema."""

from alembic import op

from migrations.shapes import CONTEXT_1, CONTEXT_2, CONTEXT_3

revision = "fraud_0001"
down_revision = None
branch_labels = ("fraud",)
depends_on = None

TABLES = (
    """CREATE TABLE fraud.decision (
        order_ref  text        PRIMARY KEY,
        score      integer,
        verdict    text        NOT NULL CHECK (verdict IN ('cleared', 'refused')),
        tier       text        NOT NULL CHECK (tier IN ('low', 'medium', 'high')),
        decided_at timestamptz NOT NULL DEFAULT now()
    )""",
    """CREATE TABLE fraud.review (
        order_ref   text        PRIMARY KEY,
        score       integer     NOT NULL,
        opened_at   timestamptz NOT NULL DEFAULT now(),
        resolved_at timestamptz,
        resolution  text        CHECK (resolution IN ('cleared', 'refused')),
        actor       text,
        reason      text,
        CHECK ((resolved_at IS NULL) = (resolution IS NULL))
    )""",
    """CREATE INDEX review_open ON fraud.review (opened_at) WHERE resolved_at IS NULL""",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA fraud")
    for statement in (*CONTEXT_1, *CONTEXT_2, *CONTEXT_3):
        op.execute(statement.format(schema="fraud"))
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP SCHEMA fraud CASCADE")
