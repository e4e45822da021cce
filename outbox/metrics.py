"""What a process counts, and the page from which Prometheus reads it."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from outbox.errors import ConfigurationError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
VARIABLE = "OUTBOX_METRICS_ADDRESS"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_ADDRESS = re.compile(r"([^\s:]+):(\d{1,5})")


class Counters:
    """Adds up; may be given as `observe` to a consumer runtime or an effect sender. Safe from every thread.

    >>> counters = Counters({"context": "search"})
    >>> counters("consumer_parked", 2, cause="poison")
    >>> print(counters.page(), end="")
    # TYPE consumer_parked_total counter
    consumer_parked_total{context="search",cause="poison"} 2
    """

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = tuple(labels.items())
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        self._gauges: dict[str, float] = {}

    def __call__(self, name: str, value: int, **labels: str) -> None:
        with self._lock:
            self._counts[name, tuple(labels.items())] += value

    def observe(self, metric: str, value: float) -> None:
        """As a relay tells it: the increase of a name that ends in `_total`, else the new value of a gauge."""
        name = metric.removesuffix("_total")
        if name != metric:
            self(name, int(value))
            return
        with self._lock:
            self._gauges[metric] = value

    def page(self) -> str:
        """Prometheus' text format. Names of what only grows end in `_total`; `labels` of the process come first."""
        with self._lock:
            counts, gauges = sorted(self._counts.items()), sorted(self._gauges.items())
        lines: list[str] = []
        named = ""
        for (name, labels), value in counts:
            if name != named:
                lines.append(f"# TYPE {name}_total counter")
                named = name
            lines.append(f"{name}_total{{{self._shown(labels)}}} {value}")
        for name, level in gauges:
            lines += [f"# TYPE {name} gauge", f"{name}{{{self._shown()}}} {level:.15g}"]
        return "".join(f"{line}\n" for line in lines)

    def _shown(self, labels: tuple[tuple[str, str], ...] = ()) -> str:
        return ",".join(f'{key}="{text.translate(_ESCAPES)}"' for key, text in (*self._labels, *labels))


def address_of(environ: Mapping[str, str]) -> tuple[str, int] | None:
    """OUTBOX_METRICS_ADDRESS, host:port; None where it is not set: nothing is served then."""
    text = environ.get(VARIABLE)
    if not text:
        return None
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[2]) < 65_536:
        raise ConfigurationError(f"{VARIABLE} is {text!r}; give host:port, such as 127.0.0.1:9400")
    return match[1], int(match[2])


@contextmanager
def served(counters: Counters, address: tuple[str, int] | None) -> Iterator[None]:
    """`GET /metrics` at this address while the body runs. `ConfigurationError` when it cannot be had."""
    if address is None:
        yield
        return
    try:
        server = ThreadingHTTPServer(address, _page_of(counters))
    except OSError as error:
        raise ConfigurationError(
            f"{address[0]}:{address[1]} serves no metrics: {error.strerror}; "
            f"give each process a {VARIABLE} of its own, or free it"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5.0)


def _page_of(counters: Counters) -> type[BaseHTTPRequestHandler]:
    class Page(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            found = self.path == "/metrics"
            body = counters.page().encode() if found else b"ask for /metrics\n"
            self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Scrapes are no events."""

    return Page
