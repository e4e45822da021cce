"""The inventory context's reservations, and the stock that all orders share, with its only two statements.

Stock has one writer of record. `strangler.authority` says where it is kept: legacy.stock, or inventory.stock once the
authority has moved; without a row it is legacy. Both owners of an order call the same two functions.
"""

from alembic import op

revision = "inventory_0001"
down_revision = None
branch_labels = ("inventory",)
depends_on = None

TABLES = (
    # pieces: what the order holds after the event of that version, by SKU.
    """CREATE TABLE inventory.reservation (
        order_ref text   PRIMARY KEY,
        version   bigint NOT NULL,
        pieces    jsonb  NOT NULL
    )""",
    """CREATE TABLE inventory.stock (
        node    text   NOT NULL DEFAULT 'main',
        sku     text   NOT NULL,
        on_hand bigint NOT NULL CHECK (on_hand >= 0),
        PRIMARY KEY (node, sku)
    )""",
    # What was taken (> 0) and given back (< 0). number: 100 takes, any other gives back; once for each (order, number).
    """CREATE TABLE inventory.stock_hold (
        order_ref text    NOT NULL,
        number    integer NOT NULL,
        sku       text    NOT NULL,
        pieces    bigint  NOT NULL CHECK (CASE number WHEN 100 THEN pieces > 0 ELSE pieces < 0 END),
        PRIMARY KEY (order_ref, number, sku)
    )""",
)

HOLDER = """
CREATE FUNCTION inventory.stock_holder() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN strangler.holder_of('stock');
END $$"""

# Row locks in SKU order ("C", as the nightly batch takes them), the same from every caller, so batches that share SKUs
# in other orders wait instead of deadlocking. A SKU never seen before arrives with 1,000,000 pieces. WHERE false: the
# row is locked and not written.
LOCK = """
CREATE FUNCTION inventory.lock_stock(holder text, skus text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF holder = 'new' THEN
        INSERT INTO inventory.stock AS stock (node, sku, on_hand)
        SELECT 'main', wanted.sku, 1000000 FROM unnest(skus) AS wanted (sku) GROUP BY 2 ORDER BY wanted.sku COLLATE "C"
        ON CONFLICT (node, sku) DO UPDATE SET on_hand = stock.on_hand WHERE false;
    ELSE
        INSERT INTO legacy.stock AS stock (sku, on_hand)
        SELECT wanted.sku, 1000000 FROM unnest(skus) AS wanted (sku) GROUP BY 1 ORDER BY wanted.sku COLLATE "C"
        ON CONFLICT (sku) DO UPDATE SET on_hand = stock.on_hand WHERE false;
    END IF;
END $$"""

# The caller has locked the rows. Each SKU once.
ADD = """
CREATE FUNCTION inventory.add_stock(holder text, skus text[], deltas bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF holder = 'new' THEN
        UPDATE inventory.stock AS stock SET on_hand = stock.on_hand + moved.delta
        FROM unnest(skus, deltas) AS moved (sku, delta) WHERE stock.node = 'main' AND stock.sku = moved.sku;
    ELSE
        UPDATE legacy.stock AS stock SET on_hand = stock.on_hand + moved.delta
        FROM unnest(skus, deltas) AS moved (sku, delta) WHERE stock.sku = moved.sku;
    END IF;
END $$"""

# Who is refused, in a batch of orders that each want some pieces: orders are served in the batch's order, all or
# nothing. Only SKUs that cannot serve the whole batch need to be walked order by order.
SHORT = """
CREATE FUNCTION inventory.short_of_stock(holder text, refs text[], skus text[], wants bigint[], places bigint[])
RETURNS TABLE (order_ref text, sold_out_sku text, short bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE scarce text[]; on_hands bigint[]; wish record; slot integer; missing_slot integer;
BEGIN
    SELECT array_agg(here.sku), array_agg(here.on_hand) INTO scarce, on_hands
    FROM (SELECT sku, on_hand FROM legacy.stock WHERE holder <> 'new' AND sku = ANY (skus)
          UNION ALL
          SELECT sku, on_hand FROM inventory.stock WHERE holder = 'new' AND node = 'main' AND sku = ANY (skus)) AS here
    JOIN (SELECT sku, sum(want) AS total FROM unnest(skus, wants) AS wanted (sku, want) GROUP BY sku) AS asked
         USING (sku)
    WHERE asked.total > here.on_hand;
    FOR wish IN
        SELECT wanted.ref, array_agg(array_position(scarce, wanted.sku) ORDER BY wanted.sku COLLATE "C") AS slots,
               array_agg(wanted.want ORDER BY wanted.sku COLLATE "C") AS wants
        FROM unnest(refs, skus, wants, places) AS wanted (ref, sku, want, place)
        WHERE wanted.sku = ANY (scarce) GROUP BY wanted.ref ORDER BY min(wanted.place)
    LOOP
        missing_slot := NULL;
        FOR slot IN 1 .. cardinality(wish.slots) LOOP
            IF missing_slot IS NULL AND on_hands[wish.slots[slot]] < wish.wants[slot] THEN missing_slot := slot; END IF;
        END LOOP;
        IF missing_slot IS NULL THEN
            FOR slot IN 1 .. cardinality(wish.slots) LOOP
                on_hands[wish.slots[slot]] := on_hands[wish.slots[slot]] - wish.wants[slot];
            END LOOP;
        ELSE
            order_ref := wish.ref;
            sold_out_sku := scarce[wish.slots[missing_slot]];
            short := wish.wants[missing_slot] - on_hands[wish.slots[missing_slot]];
            RETURN NEXT;
        END IF;
    END LOOP;
END $$"""

# One row per order, in the batch's order; sold_out_sku NULL: it holds its pieces, from now or from an earlier call.
RESERVE = """
CREATE FUNCTION inventory.reserve_stock(order_refs text[], skus text[], pieces bigint[])
RETURNS TABLE (order_ref text, sold_out_sku text, short bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE holder text := inventory.stock_holder();
    new_refs text[]; new_skus text[]; wants bigint[]; places bigint[];
    refused_refs text[]; refused_skus text[]; shorts bigint[];
BEGIN
    PERFORM inventory.check_pieces(order_refs, skus, pieces);
    PERFORM inventory.lock_stock(holder, skus);
    -- A new statement sees the holds that the lock has waited for: a repeated order drops out here.
    SELECT array_agg(wanted.ref), array_agg(wanted.sku), array_agg(wanted.want), array_agg(wanted.place)
    INTO new_refs, new_skus, wants, places
    FROM (SELECT ref, sku, sum(want)::bigint AS want, min(place) AS place
          FROM unnest(order_refs, skus, pieces) WITH ORDINALITY AS given (ref, sku, want, place)
          GROUP BY ref, sku) AS wanted
    WHERE NOT EXISTS (SELECT FROM inventory.stock_hold AS hold
                      WHERE hold.order_ref = wanted.ref AND hold.number = 100);
    SELECT array_agg(no.order_ref), array_agg(no.sold_out_sku), array_agg(no.short)
    INTO refused_refs, refused_skus, shorts
    FROM inventory.short_of_stock(holder, new_refs, new_skus, wants, places) AS no;
    WITH held AS (
        INSERT INTO inventory.stock_hold (order_ref, number, sku, pieces)
        SELECT wanted.ref, 100, wanted.sku, wanted.want
        FROM unnest(new_refs, new_skus, wants) AS wanted (ref, sku, want)
        WHERE wanted.ref <> ALL (coalesce(refused_refs, '{}')) RETURNING sku, pieces
    )
    SELECT array_agg(moved.sku), array_agg(moved.delta) INTO new_skus, wants
    FROM (SELECT sku, -sum(pieces)::bigint AS delta FROM held GROUP BY sku) AS moved;
    PERFORM inventory.add_stock(holder, new_skus, wants);
    RETURN QUERY
        SELECT asked.ref, refused.sku, refused.short
        FROM (SELECT ref, min(place) AS place FROM unnest(order_refs) WITH ORDINALITY AS given (ref, place)
              GROUP BY ref) AS asked
        LEFT JOIN unnest(refused_refs, refused_skus, shorts) AS refused (ref, sku, short) USING (ref)
        ORDER BY asked.place;
END $$"""

# A second call of the same (order, number) changes nothing. Nobody gets back more than the order holds; orders that
# were placed before the holds were kept have none, and are believed.
GIVE_BACK = """
CREATE FUNCTION inventory.give_back_stock(order_ref text, number integer, skus text[], pieces bigint[])
RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE holder text := inventory.stock_holder(); given_skus text[]; given bigint[]; too_many text;
BEGIN
    IF number = 100 THEN
        RAISE EXCEPTION 'order %: 100 is the number that takes stock', order_ref
            USING ERRCODE = 'invalid_parameter_value', HINT = 'give back under the number of the cancelling event';
    END IF;
    PERFORM inventory.check_pieces(array_fill(order_ref, ARRAY[cardinality(skus)]), skus, pieces);
    PERFORM inventory.lock_stock(holder, skus);
    IF EXISTS (SELECT FROM inventory.stock_hold AS hold
               WHERE hold.order_ref = order_ref AND hold.number = number) THEN RETURN; END IF;
    SELECT array_agg(back.sku), array_agg(back.back) INTO given_skus, given
    FROM (SELECT one.sku, sum(one.piece)::bigint AS back FROM unnest(skus, pieces) AS one (sku, piece)
          GROUP BY one.sku) AS back;
    SELECT format('%s of %s, holds %s', back.back, back.sku, coalesce(kept.pieces, 0)) INTO too_many
    FROM unnest(given_skus, given) AS back (sku, back)
    LEFT JOIN (SELECT hold.sku, sum(hold.pieces) AS pieces FROM inventory.stock_hold AS hold
               WHERE hold.order_ref = order_ref GROUP BY hold.sku) AS kept ON kept.sku = back.sku
    WHERE back.back > coalesce(kept.pieces, 0)
      AND EXISTS (SELECT FROM inventory.stock_hold AS hold WHERE hold.order_ref = order_ref AND hold.number = 100);
    IF too_many IS NOT NULL THEN
        RAISE EXCEPTION 'order % would give back %', order_ref, too_many
            USING ERRCODE = 'check_violation', HINT = 'look at inventory.stock_hold: who has given it back already?';
    END IF;
    INSERT INTO inventory.stock_hold (order_ref, number, sku, pieces)
    SELECT order_ref, number, back.sku, -back.back FROM unnest(given_skus, given) AS back (sku, back);
    PERFORM inventory.add_stock(holder, given_skus, given);
END $$"""

CHECK_PIECES = """
CREATE FUNCTION inventory.check_pieces(order_refs text[], skus text[], pieces bigint[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(order_refs, skus, pieces) AS given (ref, sku, piece)
               WHERE ref IS NULL OR sku IS NULL OR piece IS NULL OR piece <= 0) THEN
        RAISE EXCEPTION 'stock is moved by arrays of one length, no NULL, 1 piece or more; got % orders, % SKUs: %',
            cardinality(order_refs), cardinality(skus), pieces
            USING ERRCODE = 'invalid_parameter_value', HINT = 'one element for each (order, SKU)';
    END IF;
END $$"""


def upgrade() -> None:
    op.execute("CREATE SCHEMA IF NOT EXISTS inventory")  # the toolkit's tables of the context may stand in it
    for statement in (*TABLES, HOLDER, LOCK, ADD, SHORT, CHECK_PIECES, RESERVE, GIVE_BACK):
        op.execute(statement)
