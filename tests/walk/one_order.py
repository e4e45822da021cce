"""One order through the sample with its whole chain taken over, recorded process by process, then reconciled."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import psycopg
import requests

from legacy_app.rehearsal.orders_file import SAMPLE, PlaceOrder
from legacy_app.rehearsal.replay.selection import Window, select
from legacy_app.rehearsal.script import PLAN_FILE
from strangler.errors import Refused
from strangler.local.stack import Stack
from strangler.local.system import System
from strangler.plan import Plan, load_plan
from strangler.reconcile.run import reconcile
from strangler.shared_state import Holder, WantedMove, move
from tests.faults.installations import go_live
from tests.support.waiting import wait_until
from tests.walk.hops import LABEL, RECONCILE, Calls, read
from tests.walk.recorder import FOLDER, ROOT, WINDOW, record, stop

IDLE, ORDER, JUDGED = 1, 2, 3
IDLE_S = 11.0  # the timers of idle loops are of ten seconds at most, but for those of half a minute and more
QUIET_S = 3.0
WAIT_S = 25  # more than the chain takes, so that the request that placed the order answers it, and goes on with it


def walk(kafka: str) -> Calls:
    """Start everything, place the order, wait until nothing new is called, reconcile; what each hop called for it."""
    plan = patient(load_plan(PLAN_FILE))
    with tempfile.TemporaryDirectory(prefix="strangler-walk-") as text:
        folder = Path(text)
        folder.chmod(0o755)
        (folder / WINDOW).write_bytes(b"\0")
        with Stack.start(folder, kafka=kafka, say=lambda _: None, durable=False) as stack:
            database = stack.database("walk", plan)
            with traced(folder):
                system = System.start(stack, plan, database=database, say=lambda _: None, plan_path=PLAN_FILE)
            try:
                take_over(system, plan)
                place(system, folder)
                judge(system, plan, folder)
            finally:
                for running in system.running.values():
                    running.kill()  # nothing of it is kept
                system.stop()
        return read(folder, idle=IDLE, order=ORDER, judged=JUDGED)


def patient(plan: Plan) -> Plan:
    """Whose monolith lets a request take as long as it waits, however busy this machine is."""
    processes = [
        replace(each, argv=(*each.command, "--timeout-s", str(2 * WAIT_S))) if each.name == "legacy" else each
        for each in plan.processes
    ]
    return replace(plan, processes=tuple(processes))


def traced(folder: Path) -> AbstractContextManager[object]:
    """Processes that start in the block are recorded."""
    path = os.pathsep.join((str(Path(__file__).parent / "hook"), str(ROOT)))
    return patch.dict(os.environ, {"PYTHONPATH": path, FOLDER: str(folder), "LEGACY_WAIT_S": str(WAIT_S)})


def take_over(system: System, plan: Plan) -> None:
    """Every step to live, and the new side the writer of record of what both share."""
    go_live(system, plan)
    with psycopg.connect(system.environ["STRANGLER_DSN"], autocommit=True) as connection:
        for name, shared in plan.shared.items():
            moved = move(connection, WantedMove(name, shared, plan.steps_of(name), Holder.NEW, "walk", "all of it"))
            assert not isinstance(moved, Refused), moved


def place(system: System, folder: Path) -> None:
    """First nothing for a while: what is called then is called without an order."""
    order, *_ = select(SAMPLE, Window(1, cancellations=False))[0]
    assert isinstance(order, PlaceOrder)
    set_window(folder, IDLE)
    time.sleep(IDLE_S)
    set_window(folder, ORDER)
    with requests.Session() as client:
        client.trust_env = False
        url, key = system.environ["FACADE_URL"] + "/orders", {"Idempotency-Key": f'"{order.client_ref}"'}
        answer = client.post(url, json=order.body, headers=key, timeout=2 * WAIT_S)
    assert answer.status_code == 201, answer.text

    def quiet() -> bool:
        before = written(folder)
        time.sleep(QUIET_S)
        return written(folder) == before

    wait_until(quiet)


def judge(system: System, plan: Plan, folder: Path) -> None:
    set_window(folder, JUDGED)
    record(folder, LABEL[RECONCILE])
    try:
        report = reconcile(plan, system.environ, timeout_s=30)
    finally:
        stop()
        set_window(folder, 0)
    assert report.exit_code == 0, report.to_json()


def set_window(folder: Path, number: int) -> None:
    with (folder / WINDOW).open("r+b") as file:  # never shorter than what is mapped
        file.write(bytes([number]))


def written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.calls"))
