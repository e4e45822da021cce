"""Two installations on one broker: neither handles an event of the other's, and whoever would is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from legacy_app.rehearsal import commands
from outbox.connection import PsycopgConnection
from outbox.kafka.python_admin import PythonAdmin
from strangler.errors import Refused, RefusedError
from strangler.local.sharing import topics_of
from strangler.local.stack import Stack
from strangler.local.system import System
from strangler.moves import advance
from strangler.plan import Plan, load_plan
from strangler.reconcile.run import reconcile
from strangler.stages import Stage
from strangler.step.intents import Json
from tests.faults.flips import OPEN, findings_of
from tests.support.waiting import comes_true, wait_until

PLAN = Path(__file__).resolve().parents[2] / "legacy_app" / "plan" / "plan.py"
FIRST_ORDERS = 20  # before the second installation comes
COLLIDING_ORDERS = 40
SAMPLE_ORDERS = 500
COLLIDING = frozenset({"vendors", "legacy", "relay", "facade", "search", "notification"})
REPLAYED_WITHIN_S, SETTLED_WITHIN_S, SAID_WITHIN_S = 900.0, 120.0, 60.0
FOREIGN = """
SELECT count(*) FROM (
    SELECT subject_ref FROM {schema}.claim UNION SELECT subject_ref FROM {schema}.intent
    EXCEPT SELECT order_ref FROM legacy.orders) AS foreign_orders"""
SOURCES = "SELECT count(DISTINCT source) FROM {schema}.position WHERE source IS NOT NULL"
ACCEPTED = "SELECT count(*) FROM legacy.orders"
SAID_STOPPED, SAID_REFUSED = "source_broken", "holds events of another installation"


@dataclass(slots=True)
class InstallationsReport:
    """`foreign` counts orders of another installation in a context's claims and intents, and must stay 0.

    `refused`: what a second installation was told on the first one's topics. `stopped`: how often relays and consumers
    said that they stop, where two installations got the same topics at the same moment; 0 would be silence.
    `lacking`: orders that were offered and not taken, so that less was shown than was asked for.
    """

    orders: dict[str, int] = field(default_factory=dict)
    lacking: int = 0
    findings: dict[str, dict[str, int]] = field(default_factory=dict)
    foreign: int = 0
    mixed_positions: int = 0
    refused: str = ""
    stopped: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    def found(self) -> bool:
        amiss = any(count for kinds in self.findings.values() for count in kinds.values())
        shared = self.foreign or self.mixed_positions
        return bool(amiss or shared or self.lacking) or not (self.refused and self.stopped)


def run_installations(stack: Stack, *, orders: int, say: Callable[[str], None]) -> InstallationsReport:
    """The first one has the default names, the second its own PostgreSQL server and, after it was refused, a prefix."""
    report, plan, begun = InstallationsReport(), load_plan(PLAN), time.monotonic()
    second_folder = stack.folder / "second"
    second_folder.mkdir(mode=0o755)
    with Stack.start(second_folder, kafka=stack.bootstrap, say=lambda _: None) as second_stack:
        with installed(stack, plan, "first", prefix="outbox.event.") as first:
            replay(stack, first, "early", FIRST_ORDERS)
            wait_until(lambda: published(stack, plan, first) >= FIRST_ORDERS, within_s=SAID_WITHIN_S)
            report.refused = refused(second_stack, plan)
            say(f"the second one was refused: {report.refused}")
            with installed(second_stack, plan, "second", prefix="second.") as second:
                go_live(first, plan)
                go_live(second, plan)
                replay_both([(stack, first, "first", orders - FIRST_ORDERS), (second_stack, second, "second", orders)])
                for name, system in (("first", first), ("second", second)):
                    report.findings[name] = settled(plan, system)
                    count(plan, system, name, report)
                    report.lacking += orders - report.orders[name]
                    say(f"{name}: {report.orders[name]} orders, foreign in all so far: {report.foreign}")
        collide(stack, second_stack, plan, report)
        say(f"on topics of both: foreign {report.foreign}, said that they stop {report.stopped} times")
    report.seconds = round(time.monotonic() - begun, 1)
    return report


def collide(stack: Stack, second_stack: Stack, plan: Plan, report: InstallationsReport) -> None:
    """Two that were started on the same empty topics: nobody could be refused."""
    with (
        installed(stack, plan, "left", prefix="same.", only=COLLIDING) as left,
        installed(second_stack, plan, "right", prefix="same.", only=COLLIDING) as right,
    ):
        for system in (left, right):
            go_live(system, plan, ("notification", "search"))
        replay_both([(stack, left, "left", COLLIDING_ORDERS), (second_stack, right, "right", COLLIDING_ORDERS)])
        comes_true(lambda: stops_said((left, right)) > 0, within_s=SAID_WITHIN_S)
        report.stopped = stops_said((left, right))
        for name, system in (("left", left), ("right", right)):
            count(plan, system, name, report)


@contextmanager
def installed(
    stack: Stack, plan: Plan, name: str, *, prefix: str, only: frozenset[str] | None = None
) -> Iterator[System]:
    dsn = stack.database(name, plan)
    system = System.start(stack, plan, database=dsn, topic_prefix=prefix, only=only, say=lambda _: None, plan_path=PLAN)
    try:
        yield system
    finally:
        system.stop()


def published(stack: Stack, plan: Plan, system: System) -> int:
    """Records in the system's topics."""
    with closing(PythonAdmin(stack.bootstrap)) as admin:
        return sum(admin.end_offsets(topics_of(plan, system.environ)).values())


def refused(stack: Stack, plan: Plan) -> str:
    """What it is told that takes the default names too; "" if it is let in."""
    try:
        with installed(stack, plan, "refused", prefix="outbox.event."):
            return ""
    except RefusedError as error:
        return str(error)


def go_live(system: System, plan: Plan, steps: Sequence[str] = ()) -> None:
    with connect(system) as connection:
        for step in steps or [step.name for step in plan.taken_over()]:
            for to, ramp_bp in ((Stage.SHADOW, None), (Stage.RAMP, 10_000), (Stage.LIVE, None)):
                moved = advance(
                    connection, plan, step, to=to, ramp_bp=ramp_bp, anyway=True, actor="faults", reason="both at once"
                )
                assert not isinstance(moved, Refused), moved


def replay(stack: Stack, system: System, name: str, orders: int) -> None:
    """The sample's orders, as often as it takes; the suffix makes them new ones, and says whose they are."""
    for first in range(0, orders, SAMPLE_ORDERS):
        some = min(SAMPLE_ORDERS, orders - first)
        suffix = f"{name}-{first}"
        flags = ("--orders", str(some), "--ref-suffix", suffix, "--clients", "4", "--timeout-s", "5", "--json")
        commands.run(
            stack,
            f"replay-{suffix}",
            ("legacy_app", "replay", *flags),
            system.environ,
            timeout_s=REPLAYED_WITHIN_S,
        )


def replay_both(places: Sequence[tuple[Stack, System, str, int]]) -> None:
    with ThreadPoolExecutor(len(places)) as pool:
        for done in [pool.submit(replay, *place) for place in places]:
            done.result()


def settled(plan: Plan, system: System) -> dict[str, int]:
    """Everything but matches once all orders have ended."""
    with connect(system) as connection:
        comes_true(lambda: connection.execute(OPEN).fetchone() == (0,), within_s=SETTLED_WITHIN_S)
    return findings_of(reconcile(plan, system.environ, everything=True, timeout_s=SETTLED_WITHIN_S))


def count(plan: Plan, system: System, name: str, report: InstallationsReport) -> None:
    with connect(system) as connection:
        report.orders[name] = one(connection, sql.SQL(ACCEPTED))
        for step in plan.taken_over():
            if step.context is not None:
                schema = sql.Identifier(step.context.schema)
                report.foreign += one(connection, sql.SQL(FOREIGN).format(schema=schema))
                report.mixed_positions += one(connection, sql.SQL(SOURCES).format(schema=schema)) > 1


def stops_said(systems: Sequence[System]) -> int:
    """By relays and consumers, in their logs."""
    logs: Mapping[str, Path] = {
        f"{number}-{name}": running.log_path
        for number, system in enumerate(systems)
        for name, running in system.running.items()
    }
    texts = [path.read_text(errors="replace") for path in logs.values()]
    return sum(text.count(SAID_STOPPED) + text.count(SAID_REFUSED) for text in texts)


def one(connection: PsycopgConnection, query: sql.SQL | sql.Composed) -> int:
    (number,) = connection.execute(query).fetchone() or (0,)
    return int(number)


def connect(system: System) -> PsycopgConnection:
    return psycopg.connect(system.environ["STRANGLER_DSN"], autocommit=True)
