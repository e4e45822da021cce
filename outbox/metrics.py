"""What a process counts and measures, and the page from which Prometheus reads it."""

from __future__ import annotations

import logging
import re
import socket
import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from outbox.catalogue import BUCKETS_S, Described, Sample
from outbox.errors import ConfigurationError

HIGHEST_PORT = 65_535
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
VARIABLE = "OUTBOX_METRICS_ADDRESS"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_ADDRESS = re.compile(r"([^\s:]+):(\d{1,5})")
_log = logging.getLogger(__name__)

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Histogram:
    """How many values fell into each bucket, the last without an end."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total: float = 0.0


class Counters:
    """Counts, gauges and histograms of a process. May be given as `observe` to a consumer runtime or an effect sender.
    Safe from every thread. `described`: what is known of its names, for the page's help lines.

    >>> counters = Counters({"context": "search"})
    >>> counters("consumer_parked", 2, cause="poison")
    >>> print(counters.page(), end="")
    # TYPE consumer_parked_total counter
    consumer_parked_total{context="search",cause="poison"} 2
    """

    def __init__(self, labels: Mapping[str, str], described: Iterable[Described] = ()) -> None:
        self._labels = tuple(labels.items())
        known = tuple(described)
        self._help = {one.shown: one.help for one in known}
        self._timed = {one.name for one in known if one.kind == "histogram"}
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Labels]] = Counter()
        self._gauges: dict[tuple[str, Labels], float] = {}
        self._histograms: dict[tuple[str, Labels], _Histogram] = {}
        self._sources: dict[object, Callable[[], Iterable[Sample]]] = {}
        self._orders: dict[tuple[str, frozenset[str]], tuple[str, ...]] = {}

    def __call__(self, name: str, value: int, **labels: str) -> None:
        with self._lock:
            self._counts[name, self._in_order(name, labels)] += value

    def observe(self, metric: str, value: float) -> None:
        """As a relay tells it: the increase of a name that ends in `_total`, a value of what is described as a
        histogram, else the new value of a gauge.
        """
        name = metric.removesuffix("_total")
        if name != metric:
            self(name, int(value))
        elif metric in self._timed:
            self.time(metric, [value])
        else:
            self.set(metric, value)

    def set(self, name: str, value: float, **labels: str) -> None:
        """The new value of a gauge."""
        with self._lock:
            self._gauges[name, self._in_order(name, labels)] = value

    def time(self, name: str, seconds: Sequence[float], **labels: str) -> None:
        """Values of a histogram."""
        buckets = [bisect_left(BUCKETS_S, one) for one in seconds]
        with self._lock:
            histogram = self._histograms.setdefault((name, self._in_order(name, labels)), _Histogram())
            for bucket in buckets:
                histogram.counts[bucket] += 1
            histogram.total += sum(seconds)

    def merge(self, name: str, counts: Sequence[int], total: float, **labels: str) -> None:
        """A histogram that was counted elsewhere: how many fell into each bucket, the last without an end."""
        with self._lock:
            histogram = self._histograms.setdefault((name, self._in_order(name, labels)), _Histogram())
            histogram.counts = [mine + more for mine, more in zip(histogram.counts, counts, strict=True)]
            histogram.total += total

    def source(self, read: Callable[[], Iterable[Sample]]) -> Callable[[], None]:
        """Asked for gauges whenever a page is made, until what is returned is called; one that raises is left out and
        logged.
        """
        place = object()
        with self._lock:
            self._sources[place] = read

        def end() -> None:
            with self._lock:
                self._sources.pop(place, None)

        return end

    def page(self) -> str:
        """Prometheus' text format. Names of what only grows end in `_total`; `labels` of the process come first."""
        told = self._told()
        with self._lock:
            counts, gauges = sorted(self._counts.items()), sorted((self._gauges | told).items())
            histograms = sorted((key, (list(one.counts), one.total)) for key, one in self._histograms.items())
        samples = [(f"{name}_total", "counter", labels, str(value)) for (name, labels), value in counts]
        samples += [(name, "gauge", labels, f"{level:.15g}") for (name, labels), level in gauges]
        lines: list[str] = []
        named = ""
        for name, kind, labels, value in samples:
            if name != named:
                lines += self._head(name, kind)
                named = name
            lines.append(f"{name}{{{self._shown(labels)}}} {value}")
        for (name, labels), (buckets, total) in histograms:
            if name != named:
                lines += self._head(name, "histogram")
                named = name
            lines += self._histogram(name, labels, buckets, total)
        return "".join(f"{line}\n" for line in lines)

    def _told(self) -> dict[tuple[str, Labels], float]:
        found: dict[tuple[str, Labels], float] = {}
        with self._lock:
            sources = list(self._sources.values())
        for read in sources:
            try:
                told = list(read())
                with self._lock:
                    found |= {(one.name, self._in_order(one.name, one.labels)): one.value for one in told}
            except Exception:  # noqa: BLE001 - a source must not take the rest of the page along
                _log.exception("metrics_source_failed")
        return found

    def _in_order(self, name: str, labels: Mapping[str, str]) -> Labels:
        """In the order in which this metric's labels came first: in another one series would be there twice.

        Under the lock.
        """
        order = self._orders.setdefault((name, frozenset(labels)), tuple(labels))
        return tuple((label, labels[label]) for label in order)

    def _head(self, name: str, kind: str) -> list[str]:
        told = self._help.get(name)
        return [*([f"# HELP {name} {told}"] if told else []), f"# TYPE {name} {kind}"]

    def _histogram(self, name: str, labels: Labels, buckets: Sequence[int], total: float) -> Iterator[str]:
        below = 0
        for limit, count in zip((*map(str, BUCKETS_S), "+Inf"), buckets, strict=True):
            below += count
            yield f"{name}_bucket{{{self._shown((*labels, ('le', limit)))}}} {below}"
        yield f"{name}_sum{{{self._shown(labels)}}} {total:.15g}"
        yield f"{name}_count{{{self._shown(labels)}}} {below}"

    def _shown(self, labels: Labels = ()) -> str:
        return ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in (*self._labels, *labels))


def address_of(environ: Mapping[str, str]) -> tuple[str, int] | None:
    """OUTBOX_METRICS_ADDRESS, host:port; None where it is not set: nothing is served then."""
    text = environ.get(VARIABLE)
    if not text:
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[2]) <= HIGHEST_PORT:
        raise ConfigurationError(f"{VARIABLE} is {text!r}; give host:port, such as 127.0.0.1:9400")
    return match[1], int(match[2])


class Page(Protocol):
    """What is served."""

    def page(self) -> str: ...


@contextmanager
def served(page: Page, address: tuple[str, int] | None) -> Iterator[None]:
    """`GET /metrics` at this address while the body runs. `ConfigurationError` when it cannot be had."""
    if address is None:
        yield
        return
    with closing(listen(address)) as listener:
        server, thread = serve(page, listener)
        try:
            yield
        finally:
            server.shutdown()
            thread.join(5.0)


def listen(address: tuple[str, int]) -> socket.socket:
    """A socket at this address, for `serve` in this process or in those that it forks. `ConfigurationError`."""
    if not 0 <= address[1] <= HIGHEST_PORT:
        raise ConfigurationError(f"{VARIABLE} names port {address[1]}; give one from 0 to {HIGHEST_PORT}")
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"{address[0]}:{address[1]} serves no metrics: {error.strerror}; "
            f"give each process a {VARIABLE} of its own, or free it"
        ) from error
    listener.setblocking(False)
    return listener


def serve(page: Page, listener: socket.socket) -> tuple[ThreadingHTTPServer, threading.Thread]:
    """`GET /metrics` from a thread of this process, until `shutdown` or the end of the process."""
    server = ThreadingHTTPServer(listener.getsockname(), _page_of(page), bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    return server, thread


def _page_of(page: Page) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            found = self.path == "/metrics"
            body = page.page().encode() if found else b"ask for /metrics\n"
            self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Scrapes are no events."""

    return Answering
