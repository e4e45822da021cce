"""The notification context: its projection, positions, claims, intents and effects, in its own schema."""

from alembic import op

from migrations.shapes import CONTEXT_1

revision = "notification_0001"
down_revision = None
branch_labels = ("notification",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA notification")
    for statement in CONTEXT_1:
        op.execute(statement.format(schema="notification"))


def downgrade() -> None:
    op.execute("DROP SCHEMA notification CASCADE")
