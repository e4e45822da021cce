"""Orders may wait for steps that the new side has taken over, and may be rejected after they were stored."""

from alembic import op

revision = "legacy_0002"
down_revision = "legacy_0001"
branch_labels = None
depends_on = None

PLACED = "'placed', 'partly_cancelled', 'cancelled'"


def upgrade() -> None:
    op.execute("ALTER TABLE legacy.orders DROP CONSTRAINT orders_status_check")
    op.execute(f"ALTER TABLE legacy.orders ADD CHECK (status IN ({PLACED}, 'pending', 'rejected'))")
    # The step that refused the order, and its words for the customer.
    op.execute("ALTER TABLE legacy.orders ADD COLUMN rejected_by text, ADD COLUMN rejection text")


def downgrade() -> None:
    op.execute("ALTER TABLE legacy.orders DROP COLUMN rejected_by, DROP COLUMN rejection")
    op.execute("ALTER TABLE legacy.orders DROP CONSTRAINT orders_status_check")
    op.execute(f"ALTER TABLE legacy.orders ADD CHECK (status IN ({PLACED}))")
