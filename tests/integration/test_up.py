"""`strangler up` as a user has it: a small plan, everything started and found, all gone after Ctrl-C or kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from strangler.local.kafka_probe import kafka_answers
from strangler.local.stack_file import StackFile
from strangler.step.intents import Json
from tests.integration.family import descendants, runs
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are read from /proc")

PLAN = """
from strangler.plan import Plan, Process, Route, Step, Subject

plan = Plan(
    name="small",
    subject=Subject("order", read=lambda connection: [], caller="anonymous"),
    steps=(Step("mail"),),
    routes=(Route("POST /orders", creates="order"),),
    topics={"order": 2},
    processes=(
        Process("legacy", ("tests.integration.stack_program",), url="LEGACY_URL", port="WEB_PORT"),
    ),
)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="strangler-up-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@contextmanager
def up(folder: Path, kafka: str, *flags: str) -> Iterator[tuple[subprocess.Popen[str], Json]]:
    """Runs until the block ends; with what it printed."""
    (folder / "plan.py").write_text(PLAN)
    argv = [sys.executable, "-m", "strangler", "up", "--json", "--kafka", kafka, "--folder", str(folder)]
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("STRANGLER_", "KAFKA"))}
    with subprocess.Popen(
        [*argv, "--plan", str(folder / "plan.py"), *flags], stdout=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield process, json.loads(line)
        finally:
            family = descendants(process.pid)
            process.kill()
            # Before its folder is removed: PostgreSQL still tidies up there.
            wait_until(lambda: not any(runs(pid) for pid in family))


@pytest.mark.tour
@pytest.mark.timeout(240)
def test_all_runs_is_found_goes_and_comes_back_with_its_data(folder: Path, kafka_kind: str) -> None:
    with up(folder, kafka_kind) as (process, said):
        assert {place["name"] for place in said["places"]} == {"postgres", "kafka", "legacy", "relay", "facade"}
        environ = addresses(folder)
        assert kafka_answers(environ["KAFKA_BOOTSTRAP"])
        assert str(psycopg.conninfo.conninfo_to_dict(environ["STRANGLER_DSN"])["password"]) not in json.dumps(said)
        assert kept_rows(environ) == 1
        assert_a_second_one_is_refused(folder)
        assert_all_gone_after(signal.SIGKILL, process)
    assert StackFile.read(folder) is None
    with up(folder, kafka_kind) as (process, _):
        environ = addresses(folder)
        assert kept_rows(environ) == 2
        assert_all_gone_after(signal.SIGINT, process)
    assert not (folder / "stack.json").exists()


def addresses(folder: Path) -> Mapping[str, str]:
    assert (folder / "stack.json").stat().st_mode & 0o777 == 0o600
    stack = StackFile.read(folder)
    assert stack is not None
    return stack.environ


def kept_rows(environ: Mapping[str, str]) -> int:
    """Add a row to a table of the test's own; how many there are."""
    with psycopg.connect(environ["STRANGLER_DSN"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO kept DEFAULT VALUES")
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
        return int(row[0]) if row else 0


def assert_a_second_one_is_refused(folder: Path) -> None:
    argv = [sys.executable, "-m", "strangler", "up", "--folder", str(folder), "--plan", str(folder / "plan.py")]
    second = subprocess.run(argv, capture_output=True, text=True, timeout=90, check=False)
    assert second.returncode == 1
    assert "another stack runs from" in second.stderr


def assert_all_gone_after(signum: signal.Signals, process: subprocess.Popen[str]) -> None:
    family = descendants(process.pid)
    process.send_signal(signum)
    assert process.wait(60) == (-signal.SIGKILL if signum is signal.SIGKILL else 0)
    wait_until(lambda: not any(runs(pid) for pid in family))


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--kafka", "rabbit"], 2, "embedded, apache or host:port"),
        (["--kafka", "127.0.0.1:1"], 3, "no Kafka answers"),
        (["--dsn", "postgresql://postgres:hush@127.0.0.1:1/x"], 3, "PostgreSQL does not answer"),
        (["--plan", "/no/such/plan.py"], 2, "no plan file"),
    ],
)
def test_bad_input_ends_with_its_code_and_a_next_step(folder: Path, flags: list[str], code: int, words: str) -> None:
    (folder / "plan.py").write_text(PLAN)
    argv = [sys.executable, "-m", "strangler", "up", "--folder", str(folder), "--plan", str(folder / "plan.py")]
    ended = subprocess.run([*argv, *flags], capture_output=True, text=True, timeout=90, check=False)
    assert ended.returncode == code
    assert words in ended.stderr
    assert "hush" not in ended.stderr
    assert "Traceback" not in ended.stderr
