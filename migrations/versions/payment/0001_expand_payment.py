"""The payment context: one row per payment."""

from alembic import op

revision = "payment_0001"
down_revision = None
branch_labels = ("payment",)
depends_on = None

TABLES = (
    """CREATE TABLE payment.payment (
        order_ref    text        PRIMARY KEY,
        charge_id    text        NOT NULL,
        amount_minor bigint      NOT NULL,
        state        text        NOT NULL CHECK (state IN ('taken', 'refunded')),
        taken_at     timestamptz NOT NULL DEFAULT now(),
        refunded_at  timestamptz
    )""",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS payment")  # the toolkit's tables of the context may stand in it
    for statement in TABLES:
        op.execute(statement)
