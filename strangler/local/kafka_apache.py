"""Apache Kafka: its jars by Maven once into the user's cache, one KRaft node on Java 17."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from strangler.errors import DependencyDown
from strangler.local.kafka_probe import kafka_answers
from strangler.local.ports import Ports
from strangler.local.process import Running
from strangler.local.spawner import Command, Spawner

VERSION = "4.1.0"
POM = Path(__file__).with_name("kafka-pom.xml")
FETCH_WITHIN_S = 600.0
FORMAT_WITHIN_S = 60.0
READY_WITHIN_S = 90.0

# One node: internal topics have one replica and few partitions. Flushing and durability are as Kafka ships them.
# A killed broker may come back only when its session has ended: 3 s instead of 9. Groups of tests may be as quick.
CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""
# C1 only and the serial collector: half the time to start, and a second server must fit beside the tests.
JAVA = ("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")


def apache_kafka(
    folder: Path,
    ports: Ports,
    spawner: Spawner,
    *,
    more_config: str = "",
    format_options: Sequence[str] = (),
) -> Running:
    """Formatted, not yet started. The first time on a machine it fetches about 100 MB.

    `more_config` are lines of a properties file that win over ours; `{port}` and `{controller_port}` in them are
    filled in. `format_options` go to `kafka-storage format`, say `--add-scram`.
    """
    classpath = f"{ensure_jars(default_cache())}/*"
    port, data = ports.take(), folder / "kafka-apache"
    config = folder / "kafka-apache.properties"
    config.write_text((CONFIG + more_config).format(port=port, controller_port=ports.take(), data=data))
    if not (data / "meta.properties").exists():
        _format(classpath, config, format_options)
    command = Command((*JAVA, *LOGGING, "-cp", classpath, "kafka.Kafka", str(config)), folder / "logs" / "kafka.log")
    return Running(
        "kafka",
        command,
        spawner,
        port=port,
        ready=lambda _: kafka_answers(f"127.0.0.1:{port}"),
        ready_within_s=READY_WITHIN_S,
    )


def default_cache() -> Path:
    """`DependencyDown` where nobody knows the user's home."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        root = Path(given) if given else Path.home() / ".cache"
    except RuntimeError as error:
        raise DependencyDown("no home folder for Apache Kafka's jars; set HOME or XDG_CACHE_HOME") from error
    return root / "strangler-toolkit"


def jars_folder(cache: Path) -> Path:
    """Another list of jars is another folder."""
    return cache / f"kafka-{VERSION}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"


def ensure_jars(cache: Path) -> Path:
    """The folder of jars. Whole or not there: fetched beside it and renamed, one process at a time."""
    jars = jars_folder(cache)
    if jars.is_dir():
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f"{jars.name}.lock"):
        if not jars.is_dir():
            fetched = Path(tempfile.mkdtemp(prefix=f"{jars.name}-", dir=cache))
            try:
                _fetch(fetched)
                fetched.rename(jars)
            finally:
                shutil.rmtree(fetched, ignore_errors=True)
    return jars


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel however we end
        yield


def _fetch(target: Path) -> None:
    shutil.copy(POM, target / "pom.xml")
    argv = ["mvn", "-q", "-B", "-f", str(target / "pom.xml"), f"-Dkafka.version={VERSION}"]
    _run([*argv, "dependency:copy-dependencies", f"-DoutputDirectory={target}"], FETCH_WITHIN_S)


def _format(classpath: str, config: Path, options: Sequence[str]) -> None:
    cluster = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "_")
    tool = [*JAVA, *LOGGING, "-cp", classpath, "kafka.tools.StorageTool", "format"]
    _run([*tool, "-t", cluster, "-c", str(config), *options], FORMAT_WITHIN_S)


def _run(argv: list[str], within_s: float) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=within_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DependencyDown(f"{argv[0]} did not do its work: {error}; try: strangler doctor --kafka apache") from error
    if done.returncode != 0:
        end = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise DependencyDown(f"{argv[0]} ended with {done.returncode}; try: strangler doctor --kafka apache\n{end}")
