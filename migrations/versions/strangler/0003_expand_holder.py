"""Who holds what orders share, asked by every writer of it: one function for all resources."""

from alembic import op

revision = "strangler_0003"
down_revision = "strangler_0002"
branch_labels = None
depends_on = None

# The fence of a move, held shared to the caller's commit. An advisory lock and not FOR SHARE on the authority's row:
# sharers of a row that overlap without a gap (requests hold it over vendor calls) starve the mover for ever, and a row
# that is not there cannot be locked. The holder is read by a statement of its own, so after the lock was granted.
HOLDER = """
CREATE FUNCTION strangler.holder_of(shared text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found_holder text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION '% is written in READ COMMITTED only: an older snapshot would miss a move of its authority',
            shared
            USING ERRCODE = 'feature_not_supported', HINT = 'begin the transaction with ISOLATION LEVEL READ COMMITTED';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('strangler.authority.' || shared, 0));
    SELECT holder INTO found_holder FROM strangler.authority WHERE resource = shared;
    RETURN coalesce(found_holder, 'legacy');
END $$"""


def upgrade() -> None:
    op.execute(HOLDER)


def downgrade() -> None:
    op.execute("DROP FUNCTION strangler.holder_of(text)")
