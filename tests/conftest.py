"""Fixtures: one local stack per session, a fresh migrated database and topic prefix per test."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest

from legacy_app.plan.plan import plan as sample
from outbox import partitions
from strangler.errors import DependencyDown
from strangler.local import ports
from strangler.local.stack import Stack
from tests.support.bookings_plan import PLAN
from tests.support.logs import logging_put_back
from tests.support.longest_first import longest_first

# An example's time says nothing of the code where other processes run beside it.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")

# A shell lets what it runs in the background ignore it, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:  # each process draws from ports of its own: what one has drawn is not bound yet
    _share = (ports.HIGHEST - ports.LOWEST) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    ports.LOWEST += _share * int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    ports.HIGHEST = ports.LOWEST + _share

FAULTS = Path(__file__).parent / "faults"  # durability and order are claimed on Apache Kafka
USES_KAFKA = frozenset({"bootstrap", "kafka_kind", "stack", "topic_prefix"})
PLENTY_BYTES = 8 * 1024**3
NO_KAFKA_OF_ITS_OWN = frozenset({"bootstrap", "database", "stack", "toolkit"})


@pytest.hookimpl(trylast=True)  # of those that are run
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another Kafka than the default, tests that touch none are left out: they ran on the default, with the same
    parts. A test counts as touching it when it, or a fixture of its own, asks for the stack or its Kafka, unless it is
    marked `no_kafka`: it uses the stack for its processes and databases alone. On the default, faults of what touches
    Kafka are left out.
    """
    functions = [item for item in items if isinstance(item, pytest.Function)]
    if os.environ.get("KAFKA", "embedded") == "embedded":
        out = {item for item in functions if item.path.is_relative_to(FAULTS) and _touches_kafka(item)}
    else:
        out = {item for item in functions if not _touches_kafka(item)}
    config.hook.pytest_deselected(items=list(out))
    kept = [item for item in items if item not in out]
    items[:] = longest_first(kept, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), _takes_s)


def _takes_s(item: pytest.Item) -> float:
    """What it may take, where that is more than the others may."""
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0]) if marker else 0.0
    return seconds if seconds > float(item.config.getini("timeout")) else 0.0


def _touches_kafka(item: pytest.Function) -> bool:
    if item.get_closest_marker("no_kafka"):
        return False
    info = item._fixtureinfo
    asked = set(info.argnames)
    for name, definitions in info.name2fixturedefs.items():
        if name not in NO_KAFKA_OF_ITS_OWN:
            asked.update(definitions[-1].argnames)
    return bool(asked & USES_KAFKA)


def in_memory() -> Path | None:
    """Where files are memory, if there is plenty: a database a test is a thousand files, which is most of a test's time
    on a disk. None: where temporary files are otherwise.
    """
    shared, memory = Path("/dev/shm"), Path("/proc/meminfo")
    if not (memory.is_file() and shared.is_dir() and os.access(shared, os.W_OK)):
        return None
    available = re.search(r"^MemAvailable: +(\d+) kB$", memory.read_text(), re.MULTILINE)
    free = min(shutil.disk_usage(shared).free, int(available[1]) * 1024 if available else 0)
    return shared if free > PLENTY_BYTES else None


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a test configures of `logging`, or a command that it calls, changes no other test of its process."""
    with logging_put_back():
        yield


@pytest.fixture(scope="session")
def kafka_kind() -> str:
    """Which Kafka the tests run on: `embedded`, `apache` or `host:port`."""
    return os.environ.get("KAFKA", "embedded")


@pytest.fixture(scope="session")
def stack(kafka_kind: str) -> Iterator[Stack]:
    """PostgreSQL and Kafka, thrown away afterwards."""
    # Not pytest's tmp_path: its parent is closed to others, and root's PostgreSQL runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="strangler-tests-", dir=in_memory()))
    folder.chmod(0o755)
    try:
        try:
            dsn = os.environ.get("TEST_DSN")  # a superuser's, of a server to test on; else one of our own
            stack = Stack.start(folder, kafka=kafka_kind, dsn=dsn, say=lambda _: None, durable=False)
        except DependencyDown as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no local stack: {error}")
        with stack:
            yield stack
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bootstrap(stack: Stack) -> str:
    """Kafka's address."""
    return stack.bootstrap


@pytest.fixture
def database(stack: Stack) -> Iterator[str]:
    """The DSN of a fresh database with every table of the sample's plan; gone after the test, replication slots too."""
    name = f"test_{secrets.token_hex(6)}"
    yield stack.database(name, sample)
    stack.databases.drop(name)


@pytest.fixture
def toolkit(stack: Stack) -> Iterator[str]:
    """The DSN of a fresh database with the toolkit's own tables, partitions for today, and nothing of the sample."""
    name = f"test_{secrets.token_hex(6)}"
    dsn = stack.database(name, PLAN)
    with psycopg.connect(dsn) as connection:
        partitions.ensure(connection)
    yield dsn
    stack.databases.drop(name)


@pytest.fixture
def topic_prefix() -> str:
    """For topics and groups of one test: tests share the broker."""
    return f"t{secrets.token_hex(5)}."
