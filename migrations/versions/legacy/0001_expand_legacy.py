"""The monolith's schema: orders, what the chain's steps write, velocity, and the nightly batch's settlements."""

from alembic import op

revision = "legacy_0001"
down_revision = None
branch_labels = ("legacy",)
depends_on = None

TABLES = (
    # subject_version, ownership: strangling added them; absent from an INSERT it is all legacy, and nothing was told.
    # pending: it waits for a step of the new side. rejected_by: the step that refused it; rejection: its words for the
    # customer. client_ref is not unique: as found, a retried request is a second order.
    """CREATE TABLE legacy.orders (
        order_ref   text        PRIMARY KEY,
        client_ref  text        NOT NULL,
        channel     text        NOT NULL CHECK (channel IN ('web', 'store_pickup', 'marketplace')),
        merchant_id text,
        customer_id text,
        country     text        NOT NULL,
        placed_at   text        NOT NULL,
        status      text        NOT NULL CHECK (status IN
                            ('placed', 'partly_cancelled', 'cancelled', 'pending', 'rejected')),
        total_minor bigint      NOT NULL,
        version     bigint      NOT NULL DEFAULT 1,
        subject_version bigint  NOT NULL DEFAULT 0,
        ownership   text        NOT NULL DEFAULT '',
        created_at  timestamptz NOT NULL DEFAULT now(),
        rejected_by text,
        rejection   text
    )""",
    "CREATE INDEX orders_client_ref ON legacy.orders (client_ref)",
    """CREATE TABLE legacy.order_line (
        order_ref        text    NOT NULL REFERENCES legacy.orders,
        line_no          integer NOT NULL,
        sku              text    NOT NULL,
        description      text    NOT NULL,
        quantity         bigint  NOT NULL CHECK (quantity > 0),
        cancelled        bigint  NOT NULL DEFAULT 0 CHECK (cancelled BETWEEN 0 AND quantity),
        unit_price_minor bigint  NOT NULL,
        PRIMARY KEY (order_ref, line_no)
    )""",
    # version: the order's version that the cancellation made, so that its mail can be made again.
    """CREATE TABLE legacy.cancellation (
        order_ref        text        NOT NULL REFERENCES legacy.orders,
        cancellation_ref text        NOT NULL,
        version          bigint      NOT NULL,
        refund_minor     bigint      NOT NULL,
        created_at       timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (order_ref, cancellation_ref),
        UNIQUE (order_ref, version)
    )""",
    "CREATE TABLE legacy.fraud_score (order_ref text PRIMARY KEY REFERENCES legacy.orders, score integer NOT NULL)",
    "CREATE TABLE legacy.stock (sku text PRIMARY KEY, on_hand bigint NOT NULL, low boolean NOT NULL DEFAULT false)",
    """CREATE TABLE legacy.payment (
        order_ref    text        PRIMARY KEY REFERENCES legacy.orders,
        charge_id    text        NOT NULL,
        amount_minor bigint      NOT NULL,
        charged_at   timestamptz NOT NULL DEFAULT now()
    )""",
    """CREATE TABLE legacy.notification (
        order_ref   text        NOT NULL,
        template    text        NOT NULL,
        subject_ref text        NOT NULL,
        sent_at     timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (order_ref, template, subject_ref)
    )""",
    "CREATE TABLE legacy.search_document (order_ref text PRIMARY KEY, document jsonb NOT NULL)",
    "CREATE TABLE legacy.basket (order_ref text PRIMARY KEY, customer_id text, skus jsonb NOT NULL)",
    """CREATE TABLE legacy.affinity (
        sku_a  text   NOT NULL,
        sku_b  text   NOT NULL,
        orders bigint NOT NULL,
        PRIMARY KEY (sku_a, sku_b)
    )""",
    """CREATE TABLE legacy.merchant_settlement (
        merchant_id text        PRIMARY KEY,
        orders      bigint      NOT NULL,
        due_minor   bigint      NOT NULL,
        settled_at  timestamptz NOT NULL
    )""",  # How much a customer orders in a time: a row for each order that fraud has cleared.
    """CREATE TABLE legacy.velocity (
        order_ref    text        PRIMARY KEY,
        customer_id  text        NOT NULL,
        amount_minor bigint      NOT NULL,
        counted_at   timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
    "CREATE INDEX velocity_of_customer ON legacy.velocity (customer_id, counted_at)",
)


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS legacy")
    for statement in TABLES:
        op.execute(statement)
