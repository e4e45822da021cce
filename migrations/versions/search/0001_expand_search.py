"""The search context: its projection, positions, claims, intents and effects, in its own schema."""

from alembic import op

from migrations.shapes import CONTEXT_1

revision = "search_0001"
down_revision = None
branch_labels = ("search",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA search")
    for statement in CONTEXT_1:
        op.execute(statement.format(schema="search"))
    op.execute("""
        CREATE TABLE search.document (
            order_ref text        PRIMARY KEY,
            version   bigint      NOT NULL,
            body      jsonb       NOT NULL,
            indexed_at timestamptz NOT NULL DEFAULT now()
        )""")


def downgrade() -> None:
    op.execute("DROP SCHEMA search CASCADE")
