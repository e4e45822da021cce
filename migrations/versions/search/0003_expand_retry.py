"""The search context's retry budget, and what its quarantine needs to be worked on."""

from alembic import op

from migrations.shapes import CONTEXT_3, UNDO_CONTEXT_3

revision = "search_0003"
down_revision = "search_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CONTEXT_3:
        op.execute(statement.format(schema="search"))


def downgrade() -> None:
    for statement in UNDO_CONTEXT_3:
        op.execute(statement.format(schema="search"))
