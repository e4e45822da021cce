"""Claims of rows that were backfilled: legacy has acted on the order, this side has only its row."""

from alembic import op

from migrations.shapes import CONTEXT_4, UNDO_CONTEXT_4

revision = "search_0004"
down_revision = "search_0003"
branch_labels = None
depends_on = "strangler_0004"


def upgrade() -> None:
    for statement in CONTEXT_4:
        op.execute(statement.format(schema="search"))


def downgrade() -> None:
    for statement in UNDO_CONTEXT_4:
        op.execute(statement.format(schema="search"))
