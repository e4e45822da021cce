"""Claims of events that were given up under pressure, with the clause that allowed it."""

from alembic import op

from migrations.shapes import CONTEXT_5, UNDO_CONTEXT_5

revision = "recommendation_0005"
down_revision = "recommendation_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CONTEXT_5:
        op.execute(statement.format(schema="recommendation"))


def downgrade() -> None:
    for statement in UNDO_CONTEXT_5:
        op.execute(statement.format(schema="recommendation"))
