"""The recommendation context's projection: baskets, and which articles are bought together."""

from alembic import op

revision = "recommendation_0001"
down_revision = None
branch_labels = ("recommendation",)
depends_on = None

TABLES = (
    """CREATE TABLE recommendation.basket (
        order_ref   text   PRIMARY KEY,
        version     bigint NOT NULL,
        customer_id text,
        skus        jsonb  NOT NULL
    )""",
    """CREATE TABLE recommendation.affinity (
        sku_a  text   NOT NULL,
        sku_b  text   NOT NULL CHECK (sku_a < sku_b),
        orders bigint NOT NULL,
        PRIMARY KEY (sku_a, sku_b)
    )""",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS recommendation")  # the toolkit's tables of the context may stand in it
    for statement in TABLES:
        op.execute(statement)
