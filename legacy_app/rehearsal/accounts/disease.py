"""Counts the chain's disease: vendors' ledgers against the orders that the shop really has."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from legacy_app.rehearsal.accounts.charges import read_charges
from legacy_app.rehearsal.accounts.vendor_ledger import read_ledger
from outbox import PsycopgConnection
from strangler.errors import DependencyDown

HORIZON = "SELECT pg_current_xact_id()::text"
OLDER_ENDED = "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::xid8"
ORDERS = "SELECT order_ref FROM legacy.orders WHERE status <> 'rejected'"
DUPLICATES = """
SELECT coalesce(sum(copies - 1), 0)
FROM (SELECT count(*) AS copies FROM legacy.orders WHERE status <> 'rejected'
      GROUP BY client_ref HAVING count(*) > 1) AS doubled"""


@dataclass(frozen=True, slots=True)
class Disease:
    """A rejected order is none, what was refunded no payment. `duplicate_orders`: orders beyond the first of one
    client's order. `double_charged`: client's orders that were charged more than once. `settled`: no transaction was
    under way any more that could still bring an order.
    """

    orders: int
    duplicate_orders: int
    payments_without_order: int
    double_charged: int
    mails_without_order: int
    settled: bool


def count_disease(dsn: str, vendors_url: str, *, within_s: float = 10.0) -> Disease:
    """Ledgers first, then the end of all older transactions, then the orders: none is called missing too early."""
    payments = [charge for charge in read_charges(vendors_url) if not charge.refunded]
    mails = [entry["body"] for entry in read_ledger(vendors_url, "mail")]
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=5, options="-c statement_timeout=60s") as connection:
            settled = wait_for_older(connection, within_s=within_s)
            orders = {row[0] for row in connection.execute(ORDERS)}
            duplicates = connection.execute(DUPLICATES).fetchone()
    except psycopg.OperationalError as error:
        raise DependencyDown(
            f"PostgreSQL does not answer: {str(error).splitlines()[0]}; check STRANGLER_DSN"
        ) from error
    charged = Counter(charge.client_ref for charge in payments)
    return Disease(
        orders=len(orders),
        duplicate_orders=int(duplicates[0]) if duplicates else 0,
        payments_without_order=sum(charge.order_ref not in orders for charge in payments),
        double_charged=sum(count > 1 for count in charged.values()),
        mails_without_order=sum(body["order_ref"] not in orders for body in mails),
        settled=settled,
    )


def wait_for_older(
    connection: PsycopgConnection,
    *,
    within_s: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until every transaction that was under way has ended; False when that took too long."""
    row = connection.execute(HORIZON).fetchone()
    deadline = clock() + within_s
    while row is not None:
        ended = connection.execute(OLDER_ENDED, (row[0],)).fetchone()
        if ended is not None and ended[0]:
            return True
        if clock() >= deadline:
            break
        sleep(0.05)
    return False
