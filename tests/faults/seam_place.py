"""A stranger's application with all that belongs to it: a facade in front, relay, service, resumer, vendors."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import psycopg
import requests

from outbox.connection import PsycopgConnection
from strangler.cli.run import runnable
from strangler.errors import Refused, RefusedError
from strangler.local.stack import Stack
from strangler.moves import advance, rollback
from strangler.plan import Plan, load_plan
from strangler.planting import opened, plant
from strangler.reconcile.run import Report, reconcile
from strangler.service.declaration import Service
from strangler.stages import ORDER, PLACE, Stage
from tests.faults.seam_case import RAMP_BP
from tests.faults.seam_worker import Worker
from tests.strangers.running import ledger
from tests.strangers.strangled import Town, strangled

AGE = "UPDATE strangler.idempotency SET lease_until = lease_until - interval '5 minutes' WHERE state = 'started'"
FINAL = "SELECT subject_ref, number, class, detail->>'reason' FROM strangler.verdict WHERE run_id = %s"


@dataclass(frozen=True, slots=True)
class Kind:
    """`topics` are its plan's, `book` is the vendor's."""

    module: str
    step: str
    topics: Sequence[str]
    book: str
    resumer: str = ""


KINDS: Mapping[str, Kind] = {
    "desk": Kind("desk", "mail", ("booking",), "messages"),
    "shop": Kind("shop", "payment", ("order", "payment"), "charges", "shop.app:create_app"),
}


@dataclass
class Place:
    """One application's. `url` is the facade's. The application is (re)started by `start`."""

    kind: Kind
    town: Town
    plan: Plan
    forks: ForkServerContext
    folder: Path
    port: int
    main: PsycopgConnection
    url: str = ""
    stage: Stage = Stage.LEGACY
    worker: Worker | None = None
    started: int = 0
    cookies: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def open(cls, stack: Stack, name: str, folder: Path, forks: ForkServerContext) -> Iterator[Place]:
        """Everything runs, legacy owns every step."""
        kind = KINDS[name]
        with strangled(stack, kind.module, folder, kind.topics) as town:
            sys.path.insert(0, str(folder))  # where the plan's services are
            plan, port = load_plan(folder / "plan.py"), stack.take_port()
            with psycopg.connect(town.dsn, autocommit=True) as main:
                place = cls(kind, town, plan, forks, folder, port, main)
                try:
                    place._begin()
                    yield place
                finally:
                    place.kill()
                    sys.path.remove(str(folder))

    def _begin(self) -> None:
        town = self.town
        self.start()
        town.toolkit("outbox", "relay")
        town.toolkit("strangler", "run", self.kind.step)
        if self.kind.resumer:
            town.resume(self.kind.resumer)
        environ = {**town.environ, "LEGACY_URL": f"http://127.0.0.1:{self.port}"}
        argv = (sys.executable, "-m", "strangler", "facade")
        name = f"facade-{self.kind.module}-{secrets.token_hex(4)}"
        facade = town.stack.spawn(name, argv, env=environ, port_env="FACADE_PORT", ready_path="/-/healthz")
        town.started.append(facade)
        self.url = facade.url
        with requests.Session() as client:
            client.post(f"{self.url}/login", data={"user": "ann"}, timeout=30)  # 404 where there is none
            self.cookies = dict(client.cookies)

    def start(self, stop_at: str = "") -> None:
        """The application's process anew, on its port."""
        self.kill()
        self.started += 1
        more = {"PORT": str(self.port), "OUTBOX_STOP_AT": stop_at, "WAIT_S": "3"}
        log = self.folder / f"worker-{self.started}.log"
        self.worker = Worker.start(self.forks, self.kind.module, log, {**self.town.environ, **more})

    def kill(self) -> None:
        if self.worker is not None:
            self.worker.kill()
            self.worker = None

    def move(self, stage: Stage) -> None:
        """From stage to stage, as operators do."""
        while self.stage is not stage:
            ahead = PLACE[stage] > PLACE[self.stage]
            self.stage = ORDER[PLACE[self.stage] + (1 if ahead else -1)]
            if ahead:
                self._moved(advance, to=self.stage, ramp_bp=RAMP_BP if self.stage is Stage.RAMP else None, anyway=True)
            else:
                self._moved(rollback, to=self.stage)
            if not ahead and self.stage is Stage.RAMP:  # it lands on a ramp of 0
                self._moved(advance, ramp_bp=RAMP_BP, anyway=True)

    def _moved(self, move: Any, **to: Any) -> None:
        moved = move(self.main, self.plan, self.kind.step, actor="faults", reason="a seed's stage", **to)
        if isinstance(moved, Refused):
            raise RefusedError(f"{self.kind.module} did not move to {to}: {moved.reason}; {moved.next_step}")

    def judge(self, *, everything: bool = False, timeout_s: float = 10.0) -> Report:
        return reconcile(self.plan, self.town.environ, everything=everything, timeout_s=timeout_s)

    def age_requests(self) -> None:
        """As if minutes had passed since the last customer gave up: what had no answer is awaited no more."""
        self.main.execute(AGE)

    def final(self, report: Report) -> list[tuple[str, int, str, str]]:
        """What a run has said for good: subject, number, verdict, reason."""
        return self.main.execute(FINAL, [report.run_id]).fetchall()

    def plant(self, kind: str, seed: int) -> dict[str, Any] | None:
        """None where there is nothing yet that could be spoilt."""
        service = runnable(self.plan, self.kind.step)
        assert isinstance(service, Service)
        with opened(service, self.town.environ, seed=seed) as world:
            try:
                return asdict(plant(kind, world))
            except RefusedError:
                return None

    def turn(self, **knobs: Any) -> None:
        requests.put(f"{self.town.outside.url}/knobs", json=knobs, timeout=30).raise_for_status()

    def ledger(self) -> list[dict[str, Any]]:
        return ledger(self.town.outside.url, self.kind.book)
