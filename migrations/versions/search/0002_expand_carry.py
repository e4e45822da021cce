"""The search context's effects carry what follows their outcome needs."""

from alembic import op

from migrations.shapes import CONTEXT_2

revision = "search_0002"
down_revision = "search_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CONTEXT_2:
        op.execute(statement.format(schema="search"))


def downgrade() -> None:
    op.execute("ALTER TABLE search.effect DROP COLUMN carry")
