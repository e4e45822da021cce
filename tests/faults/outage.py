"""An outage of the payment vendor, then three times the load that it takes: the real contexts, four instances each.

Orders come as legacy keeps them; inventory reserves hot SKUs, payment charges over HTTP, the resumer ends each order.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import psycopg

from legacy_app.plan.plan import plan
from strangler.local.stack import Stack
from strangler.local.system import System
from strangler.plan import Plan, Process
from tests.faults.outage_context import TIMEOUT_S
from tests.faults.outage_judge import Judgement, judge, published
from tests.faults.outage_orders import Orders
from tests.faults.outage_vendor import AWAY, Vendor
from tests.support.context_process import PLAN
from tests.support.waiting import comes_true

LOAD = 3.0  # times the vendor's limit
DECLINED = 0.02
ATTEMPTS_LIMIT, GOODPUT_LEAST = 1.10, 0.90
SCARCE_SHARE = 0.6  # pieces for each order, who want 0.8 of them: it sells out on the way
SETTLED_WITHIN_S = 900.0
SPEED = {"attempts_per_delivery", "goodput"}  # a short run on a busy machine may miss these
ZERO = (
    "oversold_skus",
    "oversold_skus_replayed",
    "double_charges",
    "unpaid",
    "kept_money",
    "not_ended",
    "lost",
    "doubled",
    "inversions",
)

ENDED_AT = """
SELECT extract(epoch FROM ended_at)::float8 FROM payment.effect
WHERE operation = 'charge' AND ended_at IS NOT NULL ORDER BY 1"""
UNDER_WAY = """
SELECT (SELECT count(*) FROM legacy.orders WHERE status = 'pending')
     + (SELECT count(*) FROM payment.effect WHERE ended_at IS NULL)
     + (SELECT count(*) FROM inventory.reservation JOIN legacy.orders USING (order_ref)
        WHERE status = 'rejected' AND pieces <> '{}')"""


@dataclass(frozen=True, slots=True)
class Scale:
    """`outage_s` is on the clock of retries, which is `compress` times as fast as the wall's; the others are not.

    `calm_s`: how long the load lasts by which the capacity is measured. `limit_per_s`: what the vendor takes.
    `instances`: of each context.
    """

    outage_s: float
    compress: float
    limit_per_s: float
    calm_s: float
    overload_s: float
    instances: int = 4

    @property
    def orders(self) -> int:
        """How many there will be, about."""
        return int(self.limit_per_s * (self.calm_s + self.outage_s / self.compress + LOAD * self.overload_s))


@dataclass(frozen=True, slots=True)
class OutageReport:
    """`capacity_per_s`: charges a second under a backlog, before the outage. `goodput`: charges a second from the
    vendor's return to the end of the threefold load, as a share of it; `goodput_of_limit`: of the vendor's limit.
    `drain_of_ideal`: the time from the end of that load to the last charge, to that which the capacity would take.
    """

    scale: Scale
    orders: int
    capacity_per_s: float
    goodput: float
    goodput_of_limit: float
    attempts_per_delivery: float
    drain_of_ideal: float
    breaker_opened: int
    found: Judgement
    missed: tuple[str, ...] = ()

    def judged(self) -> OutageReport:
        """With the names of the goals that were missed."""
        figures = asdict(self.found)
        missed = [name for name in ZERO if figures[name]]
        if self.attempts_per_delivery > ATTEMPTS_LIMIT or self.found.attempts < self.found.vendor_requests:
            missed.append("attempts_per_delivery")
        if self.goodput < GOODPUT_LEAST:
            missed.append("goodput")
        return replace(self, missed=tuple(missed))

    def to_json(self) -> dict[str, object]:
        document = asdict(self)
        scale, found = document.pop("scale"), document.pop("found")
        return {**scale, **document, **found}


def run_outage(stack: Stack, dsn: str, prefix: str, scale: Scale) -> OutageReport:
    """On a fresh database with the plan's tables; `prefix` is of its topics and groups."""
    with _system(stack, dsn, prefix, scale) as system:
        vendor = Vendor(
            system.running["vendors"],
            system.environ["VENDORS_ADMIN_TOKEN"],
            limit_per_s=scale.limit_per_s,
            declined=DECLINED,
            silent_ms=int(2_000 * TIMEOUT_S / scale.compress),
        )
        orders = Orders(dsn, scarce=int(SCARCE_SHARE * scale.orders))
        vendor.recover()
        orders.place(int(scale.limit_per_s * scale.calm_s))
        _settle(dsn)
        capacity = _capacity(_ended_at(dsn))
        with _placing(orders, scale.limit_per_s):
            _outage(vendor, scale.outage_s / scale.compress)
        with _placing(orders, LOAD * scale.limit_per_s):
            vendor.recover()
            back_at = time.time()
            time.sleep(scale.overload_s)
        until = time.time()
        _settle(dsn)
        orders.close()
        ended_at = _ended_at(dsn)
        goodput_per_s = sum(back_at <= at < until for at in ended_at) / (until - back_at)
        found = judge(dsn, vendor.url, published(stack.bootstrap, prefix), orders)
        opened = sum(one.said().count(b'"vendor": "payments", "state": "open"') for one in system.running.values())
    return OutageReport(
        scale=scale,
        orders=len(orders.refs),
        capacity_per_s=round(capacity, 1),
        goodput=round(goodput_per_s / capacity, 3),
        goodput_of_limit=round(goodput_per_s / scale.limit_per_s, 3),
        attempts_per_delivery=round(found.attempts / found.deliveries, 4),
        drain_of_ideal=round((ended_at[-1] - until) * capacity / max(1, sum(at >= until for at in ended_at)), 3),
        breaker_opened=opened,
        found=found,
    ).judged()


def _outage(vendor: Vendor, wall_s: float) -> None:
    """Each way to be away for its share of the time; a start of the vendor is part of it."""
    began = time.monotonic()
    for number, how in enumerate(AWAY, 1):
        vendor.fail(how)
        time.sleep(max(0.0, began + wall_s * number / len(AWAY) - time.monotonic()))


@contextmanager
def _system(stack: Stack, dsn: str, prefix: str, scale: Scale) -> Iterator[System]:
    chosen = _instances(plan, scale)
    only = {"relay", "resume", *(process.name for process in chosen.processes)}
    system = System.start(
        stack, chosen, database=dsn, topic_prefix=prefix, only=only, say=lambda _: None, plan_path=PLAN
    )
    try:
        yield system
    finally:
        system.stop()


def _instances(whole: Plan, scale: Scale) -> Plan:
    """The vendors, the resumer, and the two contexts at stake, several times each, all as the database's owner."""
    argv = ("tests.faults.outage_context",)
    contexts = [
        Process(f"{name}-{number}", (*argv, name, str(scale.compress)))
        for name in ("inventory", "payment")
        for number in range(scale.instances)
    ]
    kept = [process for process in whole.processes if process.name == "vendors"]
    return replace(whole, processes=(*kept, *contexts), own_grants=())


@contextmanager
def _placing(orders: Orders, per_s: float) -> Iterator[None]:
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        placing = pool.submit(orders.at_rate, per_s, stop)
        try:
            yield
        finally:
            stop.set()
        placing.result()


def _settle(dsn: str) -> None:
    """Until every order has its end, and whatever follows it is done."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        comes_true(  # the judge names what is left
            lambda: connection.execute(UNDER_WAY).fetchone() == (0,), within_s=SETTLED_WITHIN_S, every_s=0.1
        )


def _ended_at(dsn: str) -> list[float]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return [at for (at,) in connection.execute(ENDED_AT)]


def _capacity(ended_at: list[float]) -> float:
    """A second, while there was a backlog: without the first quarter, in which a pace is found, and the tail."""
    first, last = len(ended_at) // 4, len(ended_at) * 9 // 10
    return (last - first) / (ended_at[last] - ended_at[first])
