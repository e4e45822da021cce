"""Counts add up by their labels, and the page says them as Prometheus reads them."""

from __future__ import annotations

import socket
import threading

import pytest
import requests

from legacy_app.plan.plan import plan
from outbox.catalogue import BUCKETS_S, Described, Sample
from outbox.errors import ConfigurationError
from outbox.metrics import Counters, address_of, listen, served
from strangler.local.ports import Ports
from strangler.local.system import metrics_addresses
from tests.support.exposition import series_of


def test_counts_add_up_by_name_and_labels() -> None:
    counters = Counters({"context": "search"})
    for _ in range(3):
        counters("parked", 2, cause="poison")
    counters("parked", 1, cause="behind")
    counters("fenced", 1)
    assert counters.page().splitlines() == [
        "# TYPE fenced_total counter",
        'fenced_total{context="search"} 1',
        "# TYPE parked_total counter",
        'parked_total{context="search",cause="behind"} 1',
        'parked_total{context="search",cause="poison"} 6',
    ]


def test_a_relays_totals_add_up_and_its_gauges_are_as_told_last() -> None:
    counters = Counters({"context": "relay"})
    for metric, value in (("relay_records_total", 2.0), ("relay_in_flight", 7.0), ("relay_records_total", 3.0)):
        counters.observe(metric, value)
    counters.observe("relay_in_flight", 24_000_000_123.0)
    assert counters.page().splitlines() == [
        "# TYPE relay_records_total counter",
        'relay_records_total{context="relay"} 5',
        "# TYPE relay_in_flight gauge",
        'relay_in_flight{context="relay"} 24000000123',
    ]


def test_a_histogram_counts_what_is_below_each_bucket_and_gauges_are_asked_for() -> None:
    counters = Counters({"context": "search"}, [Described("took_seconds", "histogram", ("topic",), "how long")])
    counters.time("took_seconds", [0.001, 0.3, 100_000.0], topic="order")
    asked: list[int] = []

    def depth() -> list[Sample]:
        asked.append(1)
        return [Sample("depth", 7 + len(asked), {"topic": "order"})]

    def broken() -> list[Sample]:
        raise ConnectionError

    counters.source(depth)
    counters.source(broken)
    lines = counters.page().splitlines()
    assert 'depth{context="search",topic="order"} 8' in lines
    assert lines[2:4] == ["# HELP took_seconds how long", "# TYPE took_seconds histogram"]
    assert 'took_seconds_bucket{context="search",topic="order",le="0.001"} 1' in lines
    assert 'took_seconds_bucket{context="search",topic="order",le="0.5"} 2' in lines
    assert 'took_seconds_bucket{context="search",topic="order",le="+Inf"} 3' in lines
    assert lines[-2:] == [
        'took_seconds_sum{context="search",topic="order"} 100000.301',
        'took_seconds_count{context="search",topic="order"} 3',
    ]
    assert 'depth{context="search",topic="order"} 9' in counters.page()


def test_a_source_is_asked_until_it_is_ended() -> None:
    counters = Counters({})
    ends = [counters.source(lambda: [Sample("depth", 7, {"of": "it"})]) for _ in range(2)]
    ends[0]()
    assert 'depth{of="it"} 7' in counters.page()
    ends[1]()
    ends[1]()
    assert counters.page() == ""


def test_no_page_holds_a_series_twice_however_its_labels_are_ordered() -> None:
    counters = Counters({"context": "search"})
    for labels in ({"topic": "order", "cause": "poison"}, {"cause": "poison", "topic": "order"}):
        counters("parked", 1, **labels)
        counters.set("held", 3, **labels)
        counters.time("took_seconds", [0.1], **labels)
        counters.source(lambda labels=labels: [Sample("held", 4, labels), Sample("depth", 5, labels)])  # type: ignore[misc]
    page = counters.page()
    assert len(series_of(page)) == 3 + len(BUCKETS_S) + 3
    lines = page.splitlines()
    assert 'parked_total{context="search",topic="order",cause="poison"} 2' in lines
    assert 'held{context="search",topic="order",cause="poison"} 4' in lines
    assert 'took_seconds_count{context="search",topic="order",cause="poison"} 2' in lines


def test_what_a_label_holds_cannot_break_the_page() -> None:
    counters = Counters({})
    counters("odd", 1, said='"\\\n')
    assert counters.page().splitlines()[1] == r'odd_total{said="\"\\\n"} 1'


def test_threads_lose_no_count() -> None:
    counters = Counters({})

    def count() -> None:
        for _ in range(1000):
            counters("seen", 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "seen_total{} 4000" in counters.page()


def test_the_page_is_served_while_the_body_runs_and_no_longer() -> None:
    counters = Counters({"context": "search"})
    counters("parked", 1)
    port = Ports().take()
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(ConfigurationError, match=f"127.0.0.1:{port} serves no metrics: .*; give each process"),
        served(counters, ("127.0.0.1", port)),
    ):
        pass
    url = f"http://127.0.0.1:{port}"
    with served(counters, ("127.0.0.1", port)):
        answer = requests.get(f"{url}/metrics", timeout=30)
        assert (answer.status_code, answer.text) == (200, counters.page())
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert requests.get(url, timeout=30).status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/metrics", timeout=30)


@pytest.mark.parametrize("text", ["9400", "here:", "127.0.0.1:0", "127.0.0.1:70000", ":9400"])
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="OUTBOX_METRICS_ADDRESS"):
        address_of({"OUTBOX_METRICS_ADDRESS": text})


def test_each_context_of_a_local_stack_has_an_address_of_its_own() -> None:
    found = metrics_addresses(plan, {"OUTBOX_METRICS_ADDRESS": "127.0.0.1:9400"})
    assert list(found) == [*plan.contexts(), "resume", "relay", "facade"]
    assert list(found.values()) == [f"127.0.0.1:{9400 + number}" for number in range(len(found))]
    assert metrics_addresses(plan, {}) == {}


def test_nothing_is_served_where_nothing_is_set() -> None:
    assert address_of({}) is None
    assert address_of({"OUTBOX_METRICS_ADDRESS": "127.0.0.1:9400"}) == ("127.0.0.1", 9400)


@pytest.mark.parametrize("port", [65_535, 65_534])
def test_addresses_that_would_run_out_of_ports_are_refused_by_the_settings_name(port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"OUTBOX_METRICS_ADDRESS is 127.0.0.1:{port}, .* at most 65"):
        metrics_addresses(plan, {"OUTBOX_METRICS_ADDRESS": f"127.0.0.1:{port}"})
    assert len(metrics_addresses(plan, {"OUTBOX_METRICS_ADDRESS": "127.0.0.1:65500"})) > 2


@pytest.mark.parametrize("port", [-1, 65_536, 1 << 40])
def test_a_port_that_is_none_is_refused_where_it_is_listened_at(port: int) -> None:
    with pytest.raises(ConfigurationError, match=f"OUTBOX_METRICS_ADDRESS names port {port}; give one from 0 to 65535"):
        listen(("127.0.0.1", port))
