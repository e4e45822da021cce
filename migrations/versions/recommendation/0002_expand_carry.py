"""The recommendation context's effects carry what follows their outcome needs."""

from alembic import op

from migrations.shapes import CONTEXT_2

revision = "recommendation_0002"
down_revision = "recommendation_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CONTEXT_2:
        op.execute(statement.format(schema="recommendation"))


def downgrade() -> None:
    op.execute("ALTER TABLE recommendation.effect DROP COLUMN carry")
