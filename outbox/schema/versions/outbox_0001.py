"""The outbox: Debezium's columns, aggregate versions, context; range-partitioned by UUIDv7 time; insert only."""

from outbox.schema.script import Execute

revision = "outbox_0001"
down_revision = None
branch_labels = ("outbox",)
depends_on = None

TABLE = """
CREATE TABLE {schema}.outbox (
    id                uuid    NOT NULL PRIMARY KEY,
    aggregatetype     text    NOT NULL CHECK (aggregatetype ~ '^[A-Za-z0-9._-]{1,180}$'),
    aggregateid       text    NOT NULL,
    aggregate_version bigint  NOT NULL CHECK (aggregate_version > 0),
    type              text    NOT NULL,
    payload           bytea   NOT NULL,
    context           text    NOT NULL DEFAULT '',
    traceparent       text,
    partition_key     text
) PARTITION BY RANGE (id)"""

READABLE = """
CREATE VIEW {schema}.readable AS
SELECT id, aggregatetype, aggregateid, aggregate_version, type, context,
       convert_from(payload, 'UTF8') AS payload
FROM {schema}.outbox"""

# The publication must exist before the slot: a slot decodes with the catalogue of its time.
PUBLICATION = """
CREATE PUBLICATION outbox FOR TABLE {schema}.outbox
WITH (publish = 'insert', publish_via_partition_root = true)"""


def upgrade(execute: Execute) -> None:
    for statement in (TABLE, READABLE, PUBLICATION):
        execute(statement)
