"""The outbox: Debezium's columns, aggregate versions, context; range-partitioned by UUIDv7 time; insert only."""

from outbox.schema.script import Execute

revision = "outbox_0001"
down_revision = None
branch_labels = ("outbox",)
depends_on = None

# Domains, and no CHECK: a table's CHECKs are read anew for each statement. The length apart from the pattern: `{1,180}`
# is a pattern of 180 states. Together they took a third of an append.
AGGREGATE_TYPE = """
CREATE DOMAIN {schema}.aggregate_type AS text CHECK (VALUE ~ '^[A-Za-z0-9._-]+$' AND length(VALUE) <= 180)"""
AGGREGATE_VERSION = "CREATE DOMAIN {schema}.aggregate_version AS bigint CHECK (VALUE > 0)"
TABLE = """
CREATE TABLE {schema}.outbox (
    id                uuid    NOT NULL PRIMARY KEY,
    aggregatetype     {schema}.aggregate_type NOT NULL,
    aggregateid       text    NOT NULL,
    aggregate_version {schema}.aggregate_version NOT NULL,
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

# Made with its owner's rights: the relay's role makes partitions and does not own the table. UUIDv7 begins with the
# milliseconds of its time. ATTACH does not lock writers out, CREATE ... PARTITION OF would. Two makers take turns; who
# has waited asks pg_class, to_regclass would answer from the session's cache.
MAKE_PARTITION = """
CREATE FUNCTION {schema}.make_partition(day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    partition text := 'outbox_' || to_char(day, 'YYYYMMDD');
    bounds uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('outbox.partitions'));
    IF EXISTS (SELECT FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
               WHERE nspname = 'outbox' AND relname = partition) THEN
        RETURN false;
    END IF;
    SELECT array_agg(rpad(lpad(to_hex((extract(epoch FROM start AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0'),
                          32, '0')::uuid ORDER BY start)
    INTO bounds FROM (VALUES (day::timestamp), (day + 1)) AS days (start);
    EXECUTE format('CREATE TABLE outbox.%I (LIKE outbox.outbox INCLUDING ALL)', partition);
    EXECUTE format('ALTER TABLE outbox.outbox ATTACH PARTITION outbox.%I FOR VALUES FROM (%L) TO (%L)',
                   partition, bounds[1], bounds[2]);
    RETURN true;
END $$"""
NOT_FOR_ALL = "REVOKE EXECUTE ON FUNCTION {schema}.make_partition(date) FROM PUBLIC"


def upgrade(execute: Execute) -> None:
    for statement in (AGGREGATE_TYPE, AGGREGATE_VERSION, TABLE, READABLE, PUBLICATION, MAKE_PARTITION, NOT_FOR_ALL):
        execute(statement)
