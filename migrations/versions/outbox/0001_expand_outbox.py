"""The outbox: Debezium's columns, aggregate versions, context; range-partitioned by UUIDv7 time; insert only."""

from alembic import op

revision = "outbox_0001"
down_revision = None
branch_labels = ("outbox",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA outbox")
    op.execute("""
        CREATE TABLE outbox.outbox (
            id                uuid    NOT NULL PRIMARY KEY,
            aggregatetype     text    NOT NULL CHECK (aggregatetype ~ '^[A-Za-z0-9._-]{1,180}$'),
            aggregateid       text    NOT NULL,
            aggregate_version bigint  NOT NULL CHECK (aggregate_version > 0),
            type              text    NOT NULL,
            payload           bytea   NOT NULL,
            context           text    NOT NULL DEFAULT '',
            traceparent       text,
            partition_key     text
        ) PARTITION BY RANGE (id)""")
    op.execute("""
        CREATE VIEW outbox.readable AS
        SELECT id, aggregatetype, aggregateid, aggregate_version, type, context,
               convert_from(payload, 'UTF8') AS payload
        FROM outbox.outbox""")
    # The publication must exist before the slot: a slot decodes with the catalogue of its time.
    op.execute("""
        CREATE PUBLICATION outbox FOR TABLE outbox.outbox
        WITH (publish = 'insert', publish_via_partition_root = true)""")


def downgrade() -> None:
    op.execute("DROP PUBLICATION outbox")
    op.execute("DROP SCHEMA outbox CASCADE")
