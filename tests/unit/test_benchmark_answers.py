"""A benchmark's document names the peers that were not measured, and the one that its ratio is to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.peers.run import peer
from benchmarks.question import Answer, LeftOut

NEXT_STEP = "pip install '.[bench]', or set BENCH_PYTHON_FASTSTREAM"


def test_a_peer_that_is_not_installed_is_in_the_document_with_the_next_step() -> None:
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


def test_a_framework_that_is_not_there_leaves_its_peer_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "python"  # it has what Python comes with
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv("BENCH_PYTHON_FASTSTREAM", str(bare))
    assert peer("faststream") == LeftOut(NEXT_STEP)
    assert "peer faststream is left out" in capsys.readouterr().err
