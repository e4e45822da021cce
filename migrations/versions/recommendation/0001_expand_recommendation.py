"""The recommendation context: its projection, positions, claims, intents and effects, in its own schema."""

from alembic import op

from migrations.shapes import CONTEXT_1

revision = "recommendation_0001"
down_revision = None
branch_labels = ("recommendation",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA recommendation")
    for statement in CONTEXT_1:
        op.execute(statement.format(schema="recommendation"))
    op.execute("""
        CREATE TABLE recommendation.basket (
            order_ref   text   PRIMARY KEY,
            version     bigint NOT NULL,
            customer_id text,
            skus        jsonb  NOT NULL
        );
        CREATE TABLE recommendation.affinity (
            sku_a  text   NOT NULL,
            sku_b  text   NOT NULL CHECK (sku_a < sku_b),
            orders bigint NOT NULL,
            PRIMARY KEY (sku_a, sku_b)
        )""")


def downgrade() -> None:
    op.execute("DROP SCHEMA recommendation CASCADE")
