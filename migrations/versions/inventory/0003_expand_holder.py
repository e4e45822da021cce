"""Stock asks for its holder as everything does that orders share."""

from alembic import op

revision = "inventory_0003"
down_revision = "inventory_0002"
branch_labels = None
depends_on = "strangler_0003"

SHARED = """
CREATE OR REPLACE FUNCTION inventory.stock_holder() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN strangler.holder_of('stock');
END $$"""

OF_ITS_OWN = """
CREATE OR REPLACE FUNCTION inventory.stock_holder() RETURNS text LANGUAGE plpgsql AS $$
DECLARE found_holder text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'stock is moved in READ COMMITTED only: an older snapshot would miss a move of its authority'
            USING ERRCODE = 'feature_not_supported', HINT = 'begin the transaction with ISOLATION LEVEL READ COMMITTED';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('strangler.authority.stock', 0));
    SELECT holder INTO found_holder FROM strangler.authority WHERE resource = 'stock';
    RETURN coalesce(found_holder, 'legacy');
END $$"""


def upgrade() -> None:
    op.execute(SHARED)


def downgrade() -> None:
    op.execute(OF_ITS_OWN)
