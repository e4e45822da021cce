"""The notification context's effects carry what follows their outcome needs."""

from alembic import op

from migrations.shapes import CONTEXT_2

revision = "notification_0002"
down_revision = "notification_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CONTEXT_2:
        op.execute(statement.format(schema="notification"))


def downgrade() -> None:
    op.execute("ALTER TABLE notification.effect DROP COLUMN carry")
