"""A whole strangled application on a stack: the plan's processes, the relay and the facade, in their order."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Self

from outbox.connection import connect
from outbox.errors import ConfigurationError
from outbox.installation import SOURCES
from outbox.kafka.foreign import way_out
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka_settings import BOOTSTRAP, VARIABLES, KafkaSettings
from outbox.metrics import HIGHEST_PORT, address_of
from outbox.metrics import VARIABLE as METRICS
from strangler.errors import RefusedError
from strangler.local.databases import database_of
from strangler.local.process import Answers, Running, stop_all
from strangler.local.roles import dsns_of_roles
from strangler.local.sharing import foreign_topics, topics_of
from strangler.local.stack import DATABASE, Stack
from strangler.local.stack_file import Place
from strangler.local.tables import databases_of, make, wanted
from strangler.plan import Plan, Process
from strangler.schema.roles import JUDGE, MONOLITH
from strangler.settings import JUDGE_DSN
from strangler.store import ensure_steps

TOPIC_PREFIX = "outbox.event."
PLAN = "STRANGLER_PLAN"
PARTITIONS = "OUTBOX_TOPIC_PARTITIONS"
RELAY = Process("relay", ("outbox", "relay"))
FACADE = Process("facade", ("strangler", "facade"), url="FACADE_URL", port="FACADE_PORT", ready_path="/-/healthz")
SLOT_LENGTH = 63 - len("outbox_")
STOP_WITHIN_S = 10.0


class System:
    """Started by `System.start`. `environ` has every address and token; `running` every process by name."""

    def __init__(self, stack: Stack, environ: dict[str, str], say: Callable[[str], None]) -> None:
        self.environ = environ
        self.running: dict[str, Running] = {}
        self._metrics: Mapping[str, str] = {}
        self._processes: Sequence[Process] = ()
        self._said: set[str] = set()
        self._dsns: Mapping[str, str] = {}
        self._stack = stack
        self._say = say

    @classmethod
    def start(
        cls,
        stack: Stack,
        plan: Plan,
        *,
        database: str,
        topic_prefix: str = TOPIC_PREFIX,
        facade_workers: int = 1,
        only: Collection[str] | None = None,
        say: Callable[[str], None],
        plan_path: Path | None = None,
    ) -> Self:
        """Prepare database (a DSN) and topics, start the processes (`only` those named), wait until all are ready.

        Slot and consumer groups are the database's and the prefix's own: several systems share a stack. Without
        `plan_path` the processes find the plan as we did, by STRANGLER_PLAN or its default.
        """
        system = cls(stack, addresses(stack.bootstrap, plan, database, topic_prefix), say)
        # Files of the plan's own processes go with the database: a ledger of another one's subjects says nothing.
        system.environ["STATE_FOLDER"] = str(stack.folder / "state" / database_of(system.environ["STRANGLER_DSN"]))
        system.environ["OUTBOX_POLL_REST_MS"] = str(stack.poll_rest_ms)
        system.environ[SOURCES] = os.environ.get(SOURCES, "")
        if PARTITIONS in os.environ:
            system.environ[PARTITIONS] = os.environ[PARTITIONS]
        system.environ |= security(os.environ, own=stack.kafka is not None)
        if plan_path is not None:
            system.environ[PLAN] = str(plan_path.resolve())
        system._processes = plan.processes
        system._metrics = metrics_addresses(plan, os.environ)  # what our children would inherit, all of them
        prepare(plan, system.environ)
        system._use_roles(plan)
        try:
            for process in in_order(plan):
                if only is None or process.name in only:
                    system._launch(process, facade_workers)
            for running in system.running.values():
                running.wait_ready()
        except BaseException:
            system.stop()
            raise
        return system

    def restart(self, name: str) -> Running:
        """Start a process again that was killed or stopped (it is stopped if it runs); same port, same environment."""
        running = self.running[name]
        if running.alive():
            running.terminate(STOP_WITHIN_S)
        running.start()
        return running

    def stop(self) -> None:
        """Stop the processes; database and topics stay. At once first what calls others, the facade and what consumes,
        then the application and its vendors, who still answer meanwhile; each of both within `STOP_WITHIN_S`.
        """
        calls = [one for name, one in self.running.items() if one.port is None or name == FACADE.name]
        answers = [one for one in self.running.values() if one not in calls]
        for group in (calls, answers):
            alive = [running for running in group if running.alive()]
            if alive:
                self._say(f"stopping {', '.join(running.name for running in alive)}")
                stop_all(alive, STOP_WITHIN_S)
        self.running.clear()

    def places(self) -> list[Place]:
        """Where everything is."""
        return [
            Place(name, running.url if running.port else None, running.pid, str(running.log_path))
            for name, running in self.running.items()
        ]

    def _use_roles(self, plan: Plan) -> None:
        """Each process its own; without what grants the application's own tables, all of them the one that is given."""
        if not plan.own_grants:
            return
        dsn = self.environ["STRANGLER_DSN"]
        self._dsns = dsns_of_roles(dsn, plan, plan_of(self.environ))
        if self._dsns:
            self.environ[JUDGE_DSN] = self._dsns[JUDGE]
        else:
            self._say("every process runs as the role of STRANGLER_DSN, which is no superuser and makes no roles")

    def _environ_of(self, process: Process) -> dict[str, str]:
        """Without the judge's address, and with the process's own in the place of every one of that database."""
        mine = self._dsns.get(process.name) or self._dsns.get(MONOLITH)
        given = {name: value for name, value in self.environ.items() if name != JUDGE_DSN}
        shared = self.environ["STRANGLER_DSN"]
        changed = {name: mine if mine and value == shared else value for name, value in given.items()}
        return changed | self._plan_databases(changed["STRANGLER_DSN"])

    def _plan_databases(self, dsn: str) -> dict[str, str]:
        """The application's own variables: all processes have them, since some run its code too."""
        named = databases_of(self._processes, dsn)
        for name in sorted(named):
            if name not in self._said and os.environ.get(name, named[name]) != named[name]:
                self._say(
                    f"{name} is set, and the plan's processes get the address of STRANGLER_DSN's database instead"
                )
                self._said.add(name)
        return named

    def _launch(self, process: Process, facade_workers: int) -> None:
        self._say(f"starting {process.name}")
        port = self._stack.take_port() if process.url else None
        argv = [sys.executable, "-m", *process.command]
        if process is FACADE:
            argv += ["--port", str(port), "--workers", str(facade_workers)]
        metrics = self._metrics.get(process.name)
        if metrics:
            self._say(f"{process.name} serves its counts at http://{metrics}/metrics")
        running = self._stack.spawn(
            process.name,
            argv,
            env=self._environ_of(process) | ({METRICS: metrics} if metrics else {}),
            port=port,
            port_env=process.port if process.url else None,
            ready=Answers(process.ready_path) if process.url else Running.said_ready,
            behind=process.url is None,  # who answers a customer goes first where cores are few
            wait=False,  # they start side by side: their addresses are known, and none needs another to start
        )
        self.running[process.name] = running
        if process.url:
            self.environ[process.url] = running.url


def in_order(plan: Plan) -> Iterable[Process]:
    """What answers (vendors, legacy) before the relay, then what only consumes, the facade last; else as planned."""
    named = {process.name for process in plan.processes}
    runs = [Process(name, ("strangler", "run", name)) for name in plan.runs()]
    own = [process for process in (RELAY, *runs, FACADE) if process.name not in named]
    rank = {"relay": 1, "facade": 3}
    return sorted((*plan.processes, *own), key=lambda process: rank.get(process.name, 0 if process.url else 2))


def addresses(bootstrap: str, plan: Plan, database: str, topic_prefix: str) -> dict[str, str]:
    """The environment of all processes; the tokens are new for every start."""
    name = database_of(database)
    contexts = {context.dsn_env: database for context in plan.contexts().values()}
    tokens = {token: secrets.token_urlsafe(32) for process in plan.processes for token in process.tokens}
    return (
        contexts
        | tokens
        | {
            "STRANGLER_DSN": database,
            "KAFKA_BOOTSTRAP": bootstrap,
            # Slots are the whole server's, groups the whole broker's.
            "OUTBOX_SLOT": slot_of(name),
            "OUTBOX_TOPIC_PREFIX": topic_prefix,
            "OUTBOX_GROUP_PREFIX": "" if topic_prefix == TOPIC_PREFIX else topic_prefix,
            "STRANGLER_INTERNAL_TOKEN": secrets.token_urlsafe(32),
        }
    )


def security(environ: Mapping[str, str], *, own: bool) -> dict[str, str]:
    """How children get into Kafka: as is set for a broker of the user's. Our own one asks nobody for anything."""
    return {name: "" if own else environ[name] for name in VARIABLES if name != BOOTSTRAP and name in environ}


def slot_of(database: str) -> str:
    """The slot's name for a database of any name: slots take lower case letters, digits and `_`, 63 of them.

    >>> slot_of("strangler"), slot_of("shop"), slot_of("my-shop")
    ('outbox', 'outbox_shop', 'outbox_my_shop_e754a89f')
    """
    if database == DATABASE:
        return "outbox"
    plain = re.sub(r"[^a-z0-9_]", "_", database.lower())
    if plain == database and len(plain) <= SLOT_LENGTH:
        return f"outbox_{plain}"
    mark = blake2b(database.encode(), digest_size=4).hexdigest()
    return f"outbox_{plain[: SLOT_LENGTH - len(mark) - 1]}_{mark}"


def metrics_addresses(plan: Plan, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Of what `strangler run` runs, the relay and the facade. Empty where none is set.

    The first has the address that is set, each next one the next port.
    """
    address = address_of(environ)
    if address is None:
        return {}
    host, port = address
    names = (*plan.runs(), RELAY.name, FACADE.name)
    if port + len(names) - 1 > HIGHEST_PORT:
        raise ConfigurationError(
            f"{METRICS} is {host}:{port}, and {len(names)} processes serve at a port each from there on; "
            f"give a port of at most {HIGHEST_PORT + 1 - len(names)}"
        )
    return {name: f"{host}:{port + number}" for number, name in enumerate(names)}


def plan_of(environ: Mapping[str, str]) -> dict[str, str]:
    """Which plan it is, for the application's own commands, as its processes are told."""
    return {PLAN: environ[PLAN]} if PLAN in environ else {}


def prepare(plan: Plan, environ: dict[str, str]) -> None:
    """Tables with outbox partitions, the plan's steps and its topics; what is there already stays.

    `RefusedError` when a topic holds another installation's events: then nothing has been made.
    """
    dsn, topics = environ["STRANGLER_DSN"], topics_of(plan, environ)
    for topic, source in foreign_topics(dsn, topics, environ).items():
        raise RefusedError(way_out(topic, source))
    make(dsn, wanted(plan), plan_of(environ))
    with connect(dsn) as connection:
        ensure_steps(connection, plan)
    with closing(PythonAdmin(KafkaSettings.from_environ(environ))) as admin:
        admin.ensure_topics(topics)
