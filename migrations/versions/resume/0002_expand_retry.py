"""The resumer's retry budget, and what its quarantine needs to be worked on."""

from alembic import op

from migrations.shapes import CONTEXT_3, UNDO_CONTEXT_3

revision = "resume_0002"
down_revision = "resume_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in CONTEXT_3:
        op.execute(statement.format(schema="resume"))


def downgrade() -> None:
    for statement in UNDO_CONTEXT_3:
        op.execute(statement.format(schema="resume"))
