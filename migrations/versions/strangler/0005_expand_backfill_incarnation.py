"""Of which incarnation of its topic a backfill's watermark is."""

from alembic import op

revision = "strangler_0005"
down_revision = "strangler_0004"
branch_labels = None
depends_on = None

# NULL: stored by an older release, so nobody knows; it is begun again.
COLUMN = "ALTER TABLE strangler.backfill ADD COLUMN incarnation text"


def upgrade() -> None:
    op.execute(COLUMN)


def downgrade() -> None:
    op.execute("ALTER TABLE strangler.backfill DROP COLUMN incarnation")
