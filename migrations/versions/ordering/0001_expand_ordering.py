"""The order context: where each order stands."""

from alembic import op

revision = "ordering_0001"
down_revision = None
branch_labels = ("ordering",)
depends_on = None

TABLES = (
    # seen: types of events; sold: status once accepted; owed: steps that must take back what they did; waits_for: who
    # has to act next, until deadline_at. All but seen, version, sold and owed is derived from these.
    """CREATE TABLE ordering.progress (
        order_ref   text        PRIMARY KEY,
        seen        text[]      NOT NULL DEFAULT '{}',
        version     bigint      NOT NULL DEFAULT 0,
        sold        text,
        owed        text[]      NOT NULL DEFAULT '{}',
        state       text        NOT NULL DEFAULT 'received',
        waits_for   text[]      NOT NULL DEFAULT '{fraud}',
        since       timestamptz NOT NULL DEFAULT now(),
        deadline_at timestamptz
    )""",
    """CREATE INDEX progress_waiting ON ordering.progress (deadline_at) WHERE deadline_at IS NOT NULL""",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS ordering")  # the toolkit's tables of the context may stand in it
    for statement in TABLES:
        op.execute(statement)
