"""Claims of rows that were backfilled: legacy has acted on the order, this side has only its row."""

from alembic import op

from migrations.shapes import CONTEXT_4, UNDO_CONTEXT_4

revision = "recommendation_0004"
down_revision = "recommendation_0003"
branch_labels = None
depends_on = "strangler_0004"


def upgrade() -> None:
    for statement in CONTEXT_4:
        op.execute(statement.format(schema="recommendation"))


def downgrade() -> None:
    for statement in UNDO_CONTEXT_4:
        op.execute(statement.format(schema="recommendation"))
