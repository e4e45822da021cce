"""What a context cannot handle is parked under its reason, seen in metrics and by the command; the rest goes on."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from outbox.event import Event
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.cli import main
from strangler.local.process import Running
from strangler.local.stack import Stack
from tests.faults.bad_records import OWNED, bad_records, placed, successor, without
from tests.integration.contexts import rows
from tests.support.context_process import context_environ
from tests.support.waiting import wait_until

WITHIN_S = 45.0
HEALTHY = 60


@dataclass
class Context:
    """The search context as a process, its topic, its metrics page."""

    dsn: str
    topic: str
    group: str
    producer: PythonProducer
    metrics_url: str
    process: Running

    def send(self, event: Event) -> None:
        self.producer.send(self.topic, event.aggregate_id.encode(), event.payload, to_headers(event, None))

    def flush(self) -> None:
        self.producer.flush(WITHIN_S)

    def counted(self, line: str) -> int:
        """The value of a line of the metrics page; 0 where there is none."""
        page = requests.get(self.metrics_url, timeout=30).text
        found = [each.rpartition(" ")[2] for each in page.splitlines() if each.startswith(f"{line} ")]
        return int(found[0]) if found else 0

    def page(self, lines: Iterable[str]) -> dict[str, int]:
        """Each of these lines with its value."""
        return {line: self.counted(line) for line in lines}


@pytest.fixture
def context(stack: Stack, database: str, bootstrap: str, topic_prefix: str) -> Iterator[Context]:
    topic = f"{topic_prefix}order"
    with closing(PythonAdmin(bootstrap)) as admin:
        admin.ensure_topics({topic: 2})
    address = f"127.0.0.1:{stack.take_port()}"
    environ = context_environ(database, bootstrap, topic_prefix, OUTBOX_METRICS_ADDRESS=address)
    argv = (sys.executable, "-m", "strangler", "run", "search", "--lanes", "3")
    process = stack.spawn(f"search-{topic_prefix}", argv, env=environ, ready=Running.said_ready)
    producer = PythonProducer(bootstrap)
    yield Context(database, topic, f"{topic_prefix}search", producer, f"http://{address}/metrics", process)
    producer.close(5.0)
    assert process.terminate(60) == 0


@pytest.fixture
def listed(
    context: Context, bootstrap: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[], list[dict[str, Any]]]:
    """What `strangler quarantine list` shows."""
    monkeypatch.setenv("STRANGLER_DSN", context.dsn)
    monkeypatch.setenv("KAFKA_BOOTSTRAP", bootstrap)

    def call() -> list[dict[str, Any]]:
        assert main(["quarantine", "list", "--context", "search", "--json"]) == 0
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return found

    return call


def test_each_bad_record_is_parked_by_its_name_and_holds_back_its_own_key_only(
    context: Context, listed: Callable[[], list[dict[str, Any]]], topic_prefix: str
) -> None:
    bad = bad_records(topic_prefix)
    behind = [event for event in map(successor, bad) if event is not None]
    for number, one in enumerate(bad):
        context.send(placed(f"{topic_prefix}-early-{number}", OWNED))
        context.producer.send(context.topic, one.key, one.value, one.headers)
    for event in behind:
        context.send(event)
    for number in range(HEALTHY):
        context.send(placed(f"{topic_prefix}-late-{number}", OWNED))
    context.flush()

    documents = "SELECT count(*) FROM search.document"
    wait_until(lambda: rows(context.dsn, documents) == [(len(bad) + HEALTHY,)], within_s=WITHIN_S)
    due = len(bad) + len(behind)
    wait_until(lambda: len(listed()) == due, within_s=WITHIN_S)
    found = listed()
    reasons = {entry["key"]: entry["reason"] for entry in found if "behind" not in entry["reason"]}
    for one in bad:
        said = reasons[None if one.key is None else one.key.decode()]
        assert one.reason in said, (one.name, said)
    assert sum("behind" in entry["reason"] for entry in found) == len(behind)
    counts = Counter(one.cause for one in bad) | Counter(behind=len(behind))
    lines = {f'consumer_parked_total{{context="search",cause="{cause}"}}': count for cause, count in counts.items()}
    wait_until(lambda: context.page(lines) == lines, lambda: context.page(lines))
    parked = 'consumer_disposition_total{context="search",disposition="parked"}'
    wait_until(lambda: context.counted(parked) == due, within_s=WITHIN_S)


def test_headers_that_may_be_missing_lose_nothing(context: Context, topic_prefix: str) -> None:
    """Without a context the order is legacy's, whatever the new side could do; the others cost nothing."""
    unowned, unplaced = placed(f"{topic_prefix}-unowned", OWNED), placed(f"{topic_prefix}-unplaced", OWNED)
    headers = without("context")(to_headers(unowned, None))
    context.producer.send(context.topic, unowned.aggregate_id.encode(), unowned.payload, headers)
    context.send(unplaced)  # neither position nor traceparent
    context.flush()
    known = "SELECT order_ref FROM search.document"
    wait_until(lambda: rows(context.dsn, known) == [(unplaced.aggregate_id,)], within_s=WITHIN_S)
    line = 'consumer_disposition_total{context="search",disposition="not_owner"}'
    wait_until(lambda: context.counted(line) == 1, within_s=WITHIN_S)
    assert rows(context.dsn, "SELECT count(*) FROM search.quarantine") == [(0,)]
