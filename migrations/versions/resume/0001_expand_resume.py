"""The resumer's own tables: where it stands in the outcomes' topics, and what it could not read."""

from alembic import op

from migrations.shapes import CONTEXT_1

revision = "resume_0001"
down_revision = None
branch_labels = ("resume",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA resume")
    for statement in CONTEXT_1[:3]:  # positions and quarantine: it has no claims and no effects
        op.execute(statement.format(schema="resume"))


def downgrade() -> None:
    op.execute("DROP SCHEMA resume CASCADE")
