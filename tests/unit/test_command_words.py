"""The edge of every command names what is at fault: the disk of another file, an argument that is no text."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from outbox.command import guarded
from strangler.errors import DependencyDown, StranglerError
from strangler.local import doctor, kafka_apache
from strangler.local.tables import run_own
from tests.unit.test_command_edge import CLEAN, ROOT

BUFFERED = {**CLEAN, "PYTHONUNBUFFERED": ""}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_another_file_that_is_full_is_not_taken_for_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    def run() -> int:
        print("one line")
        with Path("/dev/full").open("w") as full:
            full.write("text")  # its end flushes, and that error names no file
        return 0

    assert guarded("name", run) == 2
    assert capsys.readouterr() == ("one line\n", "name: No space left on device; check the disk\n")


def test_what_ends_a_command_is_said_also_where_stdout_is_lost() -> None:
    program = """
import sys
from outbox.command import guarded
from strangler.errors import DependencyDown, StranglerError
from strangler.local import doctor, kafka_apache
from strangler.local.tables import run_own
from outbox.errors import ConfigurationError
def run():
    print("one line")
    raise ConfigurationError("a setting")
sys.exit(guarded("name", run))"""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=write, stderr=subprocess.PIPE, text=True, env=BUFFERED, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (2, "name: a setting\n")


@pytest.mark.parametrize(
    ("argv", "environ", "says"),
    [
        (["outbox", "migrate", "--consumer", b"sch\xff"], {}, "what follows --consumer is no UTF-8"),
        (["outbox", "migrate", b"--consumer=sch\xff"], {}, ": --consumer is no UTF-8"),
        (
            ["outbox", "positions", "accept", b"sch\xff:t/0", "--actor", "a", "--reason", "r"],
            {},
            r"sch\udcff:t/0 is no UTF-8",
        ),
        (
            ["strangler", "history", "--dsn", b"postgresql://a:s3cret\xff@127.0.0.1:1/x"],
            {},
            "--dsn is not of its form",
        ),
        (
            ["outbox", "status"],
            {"STRANGLER_DSN": b"postgresql://a:s3cret\xff@127.0.0.1:1/x"},
            "STRANGLER_DSN is not of its form",
        ),
    ],
)
def test_what_is_no_text_is_named(
    toolkit: str, argv: list[str | bytes], environ: Mapping[str, bytes], says: str
) -> None:
    given = {name.encode(): text.encode() for name, text in {**CLEAN, "STRANGLER_DSN": toolkit}.items()}
    given |= {name.encode(): text for name, text in environ.items()}
    command = [sys.executable, "-m", *argv]
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert says in done.stderr
    assert "s3cret" not in done.stderr


def test_what_a_plans_own_command_says_need_be_no_text(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("import os, sys; os.write(2, b'caf\\xe9 is closed'); sys.exit(4)")
    with pytest.raises(StranglerError, match="ended with 4; it said:\ncaf\ufffd is closed"):
        run_own(("loud",), "", {"PYTHONPATH": str(tmp_path)})


def test_what_apache_kafkas_tools_say_need_be_no_text(tmp_path: Path) -> None:
    tool = "import os, sys; os.write(2, b'caf\\xe9 is closed'); sys.exit(4)"
    with pytest.raises(DependencyDown, match="caf\ufffd is closed"):
        kafka_apache._run([sys.executable, "-c", tool], 60.0)


def test_what_java_says_to_the_doctor_need_be_no_text() -> None:
    assert doctor._said(sys.executable, "-c", "import os; os.write(1, b'caf\\xe9')") == "caf\ufffd"
