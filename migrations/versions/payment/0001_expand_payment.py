"""The payment context: one row per payment, positions, claims, intents and effects, in its own schema."""

from alembic import op

from migrations.shapes import CONTEXT_1, CONTEXT_2, CONTEXT_3

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
    op.execute("CREATE SCHEMA payment")
    for statement in (*CONTEXT_1, *CONTEXT_2, *CONTEXT_3):
        op.execute(statement.format(schema="payment"))
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP SCHEMA payment CASCADE")
