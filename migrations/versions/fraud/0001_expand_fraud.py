"""The fraud context's decisions and reviews, and velocity, which all orders of a customer share.

`strangler.authority` says where velocity is kept: legacy.velocity, or fraud.velocity once the authority has moved. Both
owners call the same function.
"""

from alembic import op

revision = "fraud_0001"
down_revision = None
branch_labels = ("fraud",)
depends_on = ("legacy_0001",)  # the view reads legacy.velocity

TABLES = (
    """CREATE TABLE fraud.decision (
        order_ref     text        PRIMARY KEY,
        score         integer,
        verdict       text        NOT NULL CHECK (verdict IN ('cleared', 'refused')),
        tier          text        NOT NULL CHECK (tier IN ('low', 'medium', 'high')),
        decided_at    timestamptz NOT NULL DEFAULT now(),
        recent_orders bigint,
        recent_minor  bigint
    )""",
    """CREATE TABLE fraud.review (
        order_ref   text        PRIMARY KEY,
        score       integer     NOT NULL,
        opened_at   timestamptz NOT NULL DEFAULT now(),
        resolved_at timestamptz,
        resolution  text        CHECK (resolution IN ('cleared', 'refused')),
        actor       text,
        reason      text,
        CHECK ((resolved_at IS NULL) = (resolution IS NULL))
    )""",
    """CREATE INDEX review_open ON fraud.review (opened_at) WHERE resolved_at IS NULL""",
    """CREATE TABLE fraud.velocity (
        order_ref    text        PRIMARY KEY,
        customer_id  text        NOT NULL,
        amount_minor bigint      NOT NULL,
        counted_at   timestamptz NOT NULL
    )""",
    "CREATE INDEX velocity_of_customer ON fraud.velocity (customer_id, counted_at)",
)

# Asked with the holder, it reads one of the two by its index.
KEPT = """
CREATE VIEW fraud.kept_velocity AS
SELECT 'legacy' AS holder, order_ref, customer_id, amount_minor, counted_at FROM legacy.velocity
UNION ALL
SELECT 'new', order_ref, customer_id, amount_minor, counted_at FROM fraud.velocity"""

# Counts an order, once, and answers what its customer had ordered in the hour before; too much of it, and it is not
# counted: at 100 orders, or beyond 500,000 pounds with this one. Orders of a customer take turns, to their commits, and
# no clock goes back between them. A second call of the same order answers the same. A guest has no past.
COUNT = """
CREATE FUNCTION fraud.count_order(wanted_ref text, of_customer text, wanted_minor bigint)
RETURNS TABLE (counted boolean, recent_orders bigint, recent_minor bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE held_by text := strangler.holder_of('velocity'); at timestamptz; repeated boolean;
BEGIN
    IF of_customer IS NULL THEN
        RETURN QUERY SELECT true, NULL::bigint, NULL::bigint;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('fraud.velocity.' || of_customer, 0));
    -- A new statement sees what the lock has waited for.
    SELECT kept.counted_at INTO at FROM fraud.kept_velocity AS kept
    WHERE kept.holder = held_by AND kept.order_ref = wanted_ref;
    repeated := FOUND;
    IF NOT repeated THEN
        SELECT greatest(clock_timestamp(), max(kept.counted_at) + interval '1 microsecond') INTO at
        FROM fraud.kept_velocity AS kept WHERE kept.holder = held_by AND kept.customer_id = of_customer;
    END IF;
    SELECT count(*), coalesce(sum(kept.amount_minor), 0)::bigint INTO recent_orders, recent_minor
    FROM fraud.kept_velocity AS kept
    WHERE kept.holder = held_by AND kept.customer_id = of_customer
      AND kept.counted_at >= at - interval '1 hour' AND kept.counted_at < at;
    counted := repeated OR (recent_orders < 100 AND recent_minor + wanted_minor <= 50000000);
    IF counted AND NOT repeated AND held_by = 'new' THEN
        INSERT INTO fraud.velocity VALUES (wanted_ref, of_customer, wanted_minor, at);
    ELSIF counted AND NOT repeated THEN
        INSERT INTO legacy.velocity VALUES (wanted_ref, of_customer, wanted_minor, at);
    END IF;
    RETURN NEXT;
END $$"""


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS fraud")  # the toolkit's tables of the context may stand in it
    for statement in (*TABLES, KEPT, COUNT):
        op.execute(statement)
