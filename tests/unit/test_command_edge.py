"""The edge of every command: bad input, a full disk and Ctrl-C end it in words, with the exit code of its help."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psycopg
import pytest

from legacy_app.cli import main as legacy
from outbox.cli import main as outbox
from outbox.cli import parser as outbox_parser
from outbox.command import guarded, printable
from outbox.errors import ConfigurationError, DependencyDown, OutboxError
from outbox.printable import one_line
from strangler.cli import main as strangler
from strangler.cli import parser as strangler_parser
from strangler.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
PLAN = str(ROOT / "legacy_app" / "plan" / "plan.py")
CLEAN = {name: text for name, text in os.environ.items() if not name.startswith(("STRANGLER_", "KAFKA", "OUTBOX_"))}


def ran(*argv: str, environ: Mapping[str, str] | None = None, **more: object) -> subprocess.CompletedProcess[str]:
    given: dict[str, object] = {"stdout": subprocess.PIPE, "cwd": ROOT, **more}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", *argv],
        env={**CLEAN, **(environ or {})},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        **given,
    )


def failing(error: BaseException) -> Callable[[], int]:
    def run() -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ConfigurationError("a setting"), 2, "a setting"),
        (DependencyDown("no Kafka"), 3, "no Kafka"),
        (OutboxError("refused: no"), 1, "refused: no"),
        (BadInput("a value"), 2, "a value"),
        (psycopg.errors.InsufficientPrivilege("permission denied for table t"), 2, "may not: permission denied"),
        (psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT"), 2, "replica"),
        (psycopg.errors.UndefinedTable('relation "x" does not exist'), 2, "not migrated"),
        (psycopg.errors.SyntaxError("what"), 2, "PostgreSQL refuses: what"),
        (psycopg.OperationalError("connection refused"), 3, "connection refused"),
        (psycopg.errors.AdminShutdown("terminating connection"), 3, "check that it runs"),
        (psycopg.errors.ConnectionFailure("gone"), 3, "check that it runs"),
        (psycopg.errors.LockNotAvailable("due to lock timeout"), 1, "due to lock timeout; see pg_stat_activity"),
        (psycopg.errors.QueryCanceled("due to statement timeout"), 1, "timeout; see pg_stat_activity"),
        (psycopg.errors.DeadlockDetected("deadlock detected"), 1, "try again"),
        (psycopg.errors.DiskFull("could not extend file"), 2, "PostgreSQL refuses: could not extend file"),
        (psycopg.ProgrammingError("half a s3cret"), 2, "a DSN cannot be read"),
        (PermissionError(13, "Permission denied", "/etc/x"), 2, "/etc/x: Permission denied; check the place"),
        (OSError(28, "No space left on device"), 2, "No space left on device; check the disk"),
        (OSError(28, "No space left on device", "/tmp/x"), 2, "/tmp/x: No space left on device; check the disk"),
        (BrokenPipeError(32, "Broken pipe"), 3, "Broken pipe; check that what it talks to runs"),
        (FileNotFoundError(2, "No such file or directory"), 2, "the working folder is gone"),
        (ConnectionRefusedError(111, "Connection refused"), 3, "Connection refused"),
        (KeyboardInterrupt(), 130, ""),
        (BadInput("\x1b[2Jred"), 2, r"\x1b[2Jred"),
    ],
)
def test_what_ends_a_command_is_said_in_a_line_with_its_code(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded("name", failing(error), errors=(BadInput,)) == code
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == (1 if says else 0)
    assert "s3cret" not in told
    assert "\x1b" not in told


def test_a_fault_of_ours_shows_its_place() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded("name", failing(ZeroDivisionError()))


def test_text_of_others_moves_no_cursor() -> None:
    assert printable("a\x1b]0;t\x07b\r\u202e\udcff") == r"a\x1b]0;t\x07b\x0d\u202e\udcff".replace(r"\x0d", r"\r")
    assert printable("café\tb\n") == "café\tb\n"


def every(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for one in action.choices.values():
                yield from every(one)


@pytest.mark.parametrize("make", [outbox_parser, strangler_parser])
def test_every_verb_states_its_exit_codes_and_tells_the_version(make: Callable[[], argparse.ArgumentParser]) -> None:
    for one in every(make()):
        text = one.format_help().lower()
        assert "exit:" in text, one.prog
        assert "--version" in text, one.prog


@pytest.mark.parametrize(("run", "argv"), [(outbox, ["status"]), (strangler, ["policy", "show"]), (legacy, [])])
def test_the_version_is_told(
    run: Callable[[Sequence[str]], int], argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*argv, "--version"]) == 0
    assert capsys.readouterr().out.split()[0] == "strangler-toolkit"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize(
    "argv",
    [["outbox", "migrate", "--sql"], ["legacy_app", "replay", "--version"]],  # more than a buffer, and less
)
def test_a_full_stdout_is_said_and_ends_with_2(argv: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = ran(*argv, stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "stdout cannot be written: No space left on device" in done.stderr


def test_a_reader_that_goes_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = ran("outbox", "migrate", "--sql", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_text_that_the_terminal_cannot_show_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)

    assert guarded("name", lambda: print("café") or 0) == 0
    assert terminal.buffer.getvalue() == rb"caf\xe9" + b"\n"


WAITS_WHILE_LOADING = """
import os, sys, signal
class Waits:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Waits())
from {package}.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("package", ["outbox", "strangler"])
def test_ctrl_c_while_a_command_loads_is_no_traceback(package: str) -> None:
    program = WAITS_WHILE_LOADING.format(package=package)
    argv = [sys.executable, "-c", program, f"{package}.cli"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["outbox", "status"], 2, "outbox: psycopg with libpq is missing"),
        (["strangler", "doctor"], 1, "MISSING  psycopg with libpq"),
    ],
)
def test_without_libpq_it_is_named_with_the_fix(argv: list[str], code: int, says: str) -> None:
    done = ran(*argv, environ={"PSYCOPG_IMPL": "nothing"})
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done.stderr
    assert "psycopg[binary]" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


PLANS: Sequence[tuple[str, bytes | None, str]] = (
    ("plan.py", b"def (", "SyntaxError"),
    ("plan.py", b"raise KeyError('x')", "KeyError"),
    ("plan.py", b"import sys; sys.exit()", "SystemExit"),
    ("plan.py", b"\x00\xff\xfe", "does not load"),
    ("plan.py", b"plan = 3", "found int"),
    ("plan.txt", b"plan = 3", "ends in .py"),
    ("folder", None, "no plan file"),
    ("missing.py", None, "no plan file"),
)


@pytest.mark.parametrize(("name", "content", "says"), PLANS)
def test_a_plan_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: bytes | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    elif name == "folder":
        path.mkdir()
    assert strangler(["policy", "show", "--plan", str(path)]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_that_is_a_file_is_named_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "signal", lambda *_: None)  # this process keeps its own
        code = strangler(["up", "--plan", PLAN, "--folder", str(tmp_path / "file" / "x")])
    assert (code, str(tmp_path / "file") in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize(
    "dsn",
    ["postgresql+psycopg://app:s3cret@127.0.0.1/x", "postgresql+psycopg2://app:s3cret@127.0.0.1/x?sslmode=disable"],
)
@pytest.mark.parametrize(("run", "argv"), [(outbox, ["status"]), (strangler, ["history", "--plan", PLAN])])
def test_sqlalchemys_form_of_a_dsn_is_named(
    run: Callable[[Sequence[str]], int], argv: list[str], dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*argv, "--dsn", dsn]) == 2
    said = capsys.readouterr().err
    assert "is SQLAlchemy's, with a driver; write postgresql://" in said
    assert "s3cret" not in said


def test_the_facades_log_lines_have_their_fields(tmp_path: Path) -> None:
    """The application does not answer: the log line says why."""
    from strangler.local.ports import Ports
    from strangler.local.process import Answers, Running
    from strangler.local.spawner import Command, Spawner

    port, spawner = Ports().take(), Spawner()
    argv = (sys.executable, "-m", "strangler", "facade", "--port", str(port), "--upstream", "http://127.0.0.1:1")
    plan = str(ROOT / "tests" / "support" / "facade_plan.py")
    environ = {"STRANGLER_DSN": "postgresql://a@127.0.0.1:1/x", "STRANGLER_PLAN": plan}
    facade = Running(
        "facade",
        Command((*argv,), tmp_path / "facade.log", env=environ),
        spawner,
        port=port,
        ready=Answers("/-/healthz"),
    )
    facade.start()
    try:
        assert not Answers("/elsewhere")(facade)
    finally:
        facade.terminate()
        spawner.close()
    lines = [json.loads(line) for line in facade.log_path.read_text().splitlines() if line.startswith("{")]
    assert [line["reason"] for line in lines if line["event"] == "upstream_down"], facade.log_path.read_text()


def test_a_commands_warnings_have_their_fields() -> None:
    program = (
        "import logging, sys, outbox.cli\n"
        "outbox.cli.main = lambda: logging.getLogger('x').warning('it_happened', extra={'why': 'so'}) or 0\n"
        "from outbox.__main__ import main\nsys.exit(main())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    said = json.loads(done.stderr)
    assert (done.returncode, said["event"], said["why"]) == (0, "it_happened", "so")


def test_an_interrupted_verb_ends_with_130() -> None:
    """It waits for a database that takes the connection and never speaks."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as mute:
        dsn = f"postgresql://a@127.0.0.1:{mute.getsockname()[1]}/x"
        argv = [sys.executable, "-m", "outbox", "status", "--dsn", dsn]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=CLEAN) as process:
            mute.settimeout(60)
            connection, _ = mute.accept()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
            connection.close()
    assert (process.returncode, said) == (130, "")


def test_a_line_of_a_list_stays_one() -> None:
    assert one_line("a\nb\u2028c\r\x85\u061cd\te") == r"a\nb\u2028c\r\x85\u061cd" + "\te"
