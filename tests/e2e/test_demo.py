"""The demo is the end-to-end test: the same code, fewer orders, on the embedded default. What it shows once is claimed
on Apache Kafka by the campaigns of tests/faults: flips, judge, outage, restarts.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.typed import ROOT, recipe

STEPS = ("fraud", "inventory", "payment", "notification", "search", "recommendation")


@pytest.mark.alone
@pytest.mark.timeout(240)
def test_the_chain_is_strangled_and_reconciled(tmp_path: Path) -> None:
    out = tmp_path / "out.json"

    demo = subprocess.run(
        recipe("demo", DEMO_ARGS=f"--orders 120 --report {out}"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )

    assert demo.returncode == 0, demo.stderr[-4000:]
    report = json.loads(out.read_text())
    assert report["orders"]["lost"] == report["orders"]["duplicated"] == 0
    assert report["relay"]["kills"] == 1
    assert report["relay"]["lost"] == report["relay"]["duplicated_effects"] == 0
    assert report["planted"]["found"] == report["planted"]["of"] == 6
    assert report["legacy_disease"]["timeouts"] > 0
    assert report["peak"]["with"]["classes"]["browse"]["refused"] > 0
    assert report["peak"]["with"]["lost"] == report["peak"]["with"]["duplicate_orders"] == 0
    for name in STEPS:
        assert report["steps"][name]["stage"] == "live"
        assert min(report["steps"][name][owner] for owner in ("shadow", "new", "compared_new")) > 0
    for verdict in ("late", "missing", "extra", "mismatch", "duplicate", "unknown"):
        assert report["reconciliation"][verdict] == 0
    judged = report["reconciliation"]
    # Orphans are what legacy did for orders that it then rolled back, before the steps were taken from it.
    assert judged["match"] == judged["compared"] - judged["orphan"] > 0
    for symptom in ("timeouts", "payments_without_order", "duplicate_orders"):
        assert report["new_path"][symptom] == 0
    assert report["choreography"]["done"] > 0
    assert report["choreography"]["stuck"] == report["choreography"]["contradiction"] == 0
    assert report["input"]["lines"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--orders", "3"], 2, "too few"),
        (["--orders-file", "/nonexistent/orders.csv"], 2, "no orders file"),
        (["--kafka", "rabbit"], 2, "unknown Kafka"),
        (["--kafka", "127.0.0.1:1"], 3, "no Kafka answers"),
    ],
)
def test_bad_input_ends_at_once_with_the_next_step(arguments: list[str], code: int, words: str) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "legacy_app", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert (demo.returncode, words in demo.stderr) == (code, True), demo.stderr
    assert "Traceback" not in demo.stderr
