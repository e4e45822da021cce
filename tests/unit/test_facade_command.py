"""`strangler facade` says what is wrong with its settings before it serves."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from strangler.cli import main

SUPPORT = Path(__file__).parents[1] / "support"
ADMISSION = str(SUPPORT / "facade_admission_plan.py")
LAG = str(SUPPORT / "facade_lag_plan.py")
INTERNAL = str(SUPPORT / "facade_internal_plan.py")
GOOD = {
    "STRANGLER_DSN": "postgresql://postgres@127.0.0.1:1/x",
    "LEGACY_URL": "http://127.0.0.1:1",
    "STRANGLER_PLAN": str(SUPPORT / "facade_plan.py"),
}


@pytest.mark.parametrize(
    ("environ", "flags", "said"),
    [
        ({"LEGACY_URL": ""}, [], "--upstream"),
        ({"LEGACY_URL": "ftp://legacy"}, [], "'ftp://legacy'"),
        ({"LEGACY_URL": "https://legacy", "LEGACY_CA_FILE": "nowhere.pem"}, [], "'nowhere.pem' holds no certificates"),
        ({"LEGACY_URL": "https://legacy"}, ["--upstream-ca-file", __file__], "holds no certificates"),
        ({"LEGACY_CA_FILE": "some.pem"}, [], "LEGACY_CA_FILE is for"),
        ({"LEGACY_URL": "http://legacy:http"}, [], "'http://legacy:http'"),
        ({"LEGACY_URL": "http://user:secret@legacy"}, [], "found 'http://legacy'"),
        ({"LEGACY_URL": "http://legacy/app/../b"}, [], "http://HOST:PORT"),
        ({"LEGACY_URL": "http://legacy/app?a"}, [], "a /BASE"),
        ({"LEGACY_URL": "http://legacy/%61pp"}, [], "a /BASE"),
        ({"STRANGLER_DSN": "nonsense"}, [], "postgresql://"),
        ({"STRANGLER_DSN": "postgresql://[::1"}, [], "STRANGLER_DSN"),
        ({"FACADE_PORT": "http"}, [], "FACADE_PORT"),
        ({}, ["--threads", "0"], "--threads"),
        ({}, ["--read-timeout-s", "-1"], "--read-timeout-s"),
        ({"STRANGLER_PLAN": "nowhere.py"}, [], "nowhere.py"),
        ({}, ["--admission", "10%"], "plan 'facade' has none; declare it"),
        ({"STRANGLER_PLAN": ADMISSION}, ["--admission", "1%", "--workers", "3"], "2 slots for 3 workers"),
        ({"STRANGLER_PLAN": LAG}, ["--admission", "1%", "--workers", "2"], "finds its slots, and of 2 workers each"),
        ({"STRANGLER_PLAN": LAG, "KAFKA_BOOTSTRAP": ""}, ["--admission", "1%"], "KAFKA_BOOTSTRAP is not set"),
        ({"STRANGLER_PLAN": INTERNAL, "STRANGLER_INTERNAL_TOKEN": ""}, [], "STRANGLER_INTERNAL_TOKEN must be set"),
    ],
)
def test_a_bad_setting_is_named_and_ends_with_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environ: dict[str, str],
    flags: list[str],
    said: str,
) -> None:
    for name, value in (GOOD | environ).items():
        monkeypatch.setenv(name, value)
    assert main(["facade", *flags]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "secret" not in told


def test_a_taken_port_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["facade", "--port", str(port)]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
