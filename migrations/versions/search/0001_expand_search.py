"""The search context's projection: a document per order."""

from alembic import op

revision = "search_0001"
down_revision = None
branch_labels = ("search",)
depends_on = None

TABLES = (
    """CREATE TABLE search.document (
        order_ref  text        PRIMARY KEY,
        version    bigint      NOT NULL,
        body       jsonb       NOT NULL,
        indexed_at timestamptz NOT NULL DEFAULT now()
    )""",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS search")  # the toolkit's tables of the context may stand in it
    for statement in TABLES:
        op.execute(statement)
