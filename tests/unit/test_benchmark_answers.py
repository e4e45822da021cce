"""A benchmark's document names the peers that were not measured, and the one that its ratio is to."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.peers import environments, run
from benchmarks.peers.environments import Framework, NoPeer, python_of, python_since
from benchmarks.peers.run import peer
from benchmarks.question import Answer, LeftOut

NEXT_STEP = "run it without `--without faststream`"


def test_a_peer_that_is_left_out_is_in_the_document_with_the_next_step() -> None:
    answer = Answer("noop", "events/s", 30.0, {"framework": LeftOut(NEXT_STEP), "loop": 20.0})
    assert answer.to_json() == {
        "name": "noop",
        "unit": "events/s",
        "ours": 30.0,
        "peers": {"loop": 20.0},
        "ratio": 1.5,
        "ratio_to": "loop",
        "left_out": {"framework": NEXT_STEP},
        "settings": {},
    }


def test_a_peer_that_came_to_nothing_leaves_no_ratio() -> None:
    assert Answer("peak", "share", 1.0, {"none": 0.0}).to_json()["ratio"] is None


def test_only_what_the_command_line_leaves_out_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "left_out", {"faststream"})
    assert peer("faststream_batch") == LeftOut(NEXT_STEP)


@pytest.mark.parametrize(
    ("framework", "reason"),
    [
        (Framework((), (4, 0)), r"peer odd needs Python 4\.0 or newer, none is on PATH; install it, or --without odd"),
        (Framework(("no such requirement",), (3, 11)), r"peer odd: .* failed: .*; mend that, or --without odd"),
    ],
)
def test_a_peer_that_cannot_be_had_is_a_failure_with_its_next_step(
    framework: Framework, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(environments.FRAMEWORKS, "odd", framework)
    with pytest.raises(NoPeer, match=reason):
        python_of("odd", tmp_path)
    assert not (tmp_path / "odd" / "made.json").exists()


def test_an_unknown_peer_ends_the_command_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--without", "nobody"])
    assert command.main() == 3
    assert "no peer nobody; known: faststream, proxy, pyrallel" in capsys.readouterr().err


def test_pythons_that_do_not_run_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = tmp_path / "python3.29"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert python_since((3, 29)) is None
    assert python_since((3, 11)) is not None
