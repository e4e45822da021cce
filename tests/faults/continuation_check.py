"""What must be true of an order after its seed: the rest of its chain ran exactly once, or was rejected and undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from legacy_app.rehearsal.accounts.vendor_ledger import read_ledger
from outbox.connection import PsycopgConnection
from tests.faults.continuation_case import TAIL, Case
from tests.support.orders import MIDDLE, TELLS

TYPES = "SELECT type || ' ' || aggregate_version FROM outbox.outbox WHERE aggregateid = %s"
DONE = "SELECT step || ' ' || version FROM strangler.seam_record WHERE subject_ref = %s AND state = 'done'"
OPEN = "SELECT count(*) FROM strangler.continuation WHERE subject_ref = %s AND state <> 'done'"
HELD = "SELECT coalesce(sum(pieces), 0)::int FROM inventory.stock_hold WHERE order_ref = %s"
ON_HAND = "SELECT coalesce(sum(1000000 - on_hand), 0)::int FROM legacy.stock WHERE sku LIKE %s || '-_'"
PAIRS = "SELECT coalesce(sum(orders), 0)::int FROM legacy.affinity WHERE sku_a LIKE %s || '-_'"
ROWS = "SELECT count(*) FROM legacy.{table} WHERE order_ref = %s"


def problems(connection: PsycopgConnection, case: Case, answers: Sequence[int]) -> list[str]:
    """In the database, and in what the requests were answered."""
    wanted, found = expected(case), facts(connection, case.order_ref)
    wrong = [f"{name}: {found[name]} instead of {value}" for name, value in wanted.items() if found[name] != value]
    if answers[-1:] != [case.status] or not set(answers) <= {202, case.status}:
        wrong.append(f"answered {answers} instead of 202s and {case.status}")
    return [f"seed {case.seed}: {each}; {case}" for each in wrong]


def ledger_problems(vendors_url: str, cases: Iterable[Case]) -> list[str]:
    """At the vendors: one mail and one charge for each order whose legacy step ran."""
    seen = {book: Counter(each["key"] for each in read_ledger(vendors_url, book)) for book in ("mail", "payments")}
    wrong = []
    for case in cases:
        ref, placed = case.order_ref, case.refused_by is None
        wanted = {
            "mail": {f"{ref}:notification:200": 1} if placed and not case.tail else {},
            "payments": {f"{ref}:payment:100": 1} if placed and "payment" not in case.new else {},
        }
        for book, keys in wanted.items():
            found = {key: count for key, count in seen[book].items() if key.startswith(f"{ref}:")}
            if found != keys:
                wrong.append(f"seed {case.seed}: {book} has {found} instead of {keys}; {case}")
    return wrong


def expected(case: Case) -> Mapping[str, object]:
    """By hand from the case; legacy's steps run in the order of the chain, until one side refuses."""
    placed = case.refused_by is None
    legacy_tail = int(placed and not case.tail)
    reached = MIDDLE if placed else MIDDLE[: MIDDLE.index(str(case.refused_by))]
    ran = [step for step in reached if step not in case.new]
    told = [TELLS[step][0] for step in ran] + [TELLS["inventory"][1]] * case.sold_out
    end = "OrderPlaced" if placed else "OrderRejected"
    kept = 3 if placed and "inventory" not in case.new else 0
    return {
        "status": "placed" if placed else "rejected",
        "events": sorted([f"{type_} 1" for type_ in ("OrderReceived", *told)] + [f"{end} 2"]),
        "done by legacy": sorted([f"{step} 1" for step in ran] + [f"{step} 2" for step in TAIL * legacy_tail]),
        "open continuations": 0,
        "pieces held": kept,
        "pieces taken": kept,
        "payment": int(placed and "payment" not in case.new),
        "notification": legacy_tail,
        "search_document": legacy_tail,
        "basket": legacy_tail,
        "pairs": legacy_tail,
    }


def facts(connection: PsycopgConnection, order_ref: str) -> Mapping[str, object]:
    """The same, as the database has it."""

    def one(sql: str) -> object:
        row = connection.execute(sql.encode(), (order_ref,)).fetchone()
        return row[0] if row else None

    tables = ("payment", "notification", "search_document", "basket")
    return {
        "status": one("SELECT status FROM legacy.orders WHERE order_ref = %s"),
        "events": sorted(type_ for (type_,) in connection.execute(TYPES, (order_ref,))),
        "done by legacy": sorted(step for (step,) in connection.execute(DONE, (order_ref,))),
        "open continuations": one(OPEN),
        "pieces held": one(HELD),
        "pieces taken": one(ON_HAND),
        "pairs": one(PAIRS),
        **{table: one(ROWS.format(table=table)) for table in tables},
    }
