"""How much a customer orders in a time: a row for each order that fraud has cleared, those until now included."""

from alembic import op

revision = "legacy_0003"
down_revision = "legacy_0002"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE legacy.velocity (
    order_ref    text        PRIMARY KEY,
    customer_id  text        NOT NULL,
    amount_minor bigint      NOT NULL,
    counted_at   timestamptz NOT NULL DEFAULT clock_timestamp()
)"""
INDEX = "CREATE INDEX velocity_of_customer ON legacy.velocity (customer_id, counted_at)"

# A microsecond apart: what was counted before what must be plain. A rejection by fraud was never counted.
HISTORY = """
INSERT INTO legacy.velocity (order_ref, customer_id, amount_minor, counted_at)
SELECT order_ref, customer_id, amount_minor,
       created_at + interval '1 microsecond' * row_number() OVER same_time
FROM legacy.orders
JOIN (SELECT order_ref, sum(quantity * unit_price_minor)::bigint AS amount_minor
      FROM legacy.order_line GROUP BY order_ref) AS placed USING (order_ref)
WHERE customer_id IS NOT NULL AND status <> 'pending' AND rejected_by IS DISTINCT FROM 'fraud'
WINDOW same_time AS (PARTITION BY customer_id, created_at ORDER BY order_ref)"""


def upgrade() -> None:
    for statement in (TABLE, INDEX, HISTORY):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE legacy.velocity")
