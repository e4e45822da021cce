"""Requests as an access log has them: common, combined, or a JSON object a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TextIO

LONGEST_LINE = 64 * 1024
_COMMON = re.compile(
    r'(?P<host>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" (?P<status>\d{3}) \S+'
    r'(?: "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*")?(?: (?P<more>.*))?'
)
_TIME = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# By what they are called in the logs of nginx, Apache, Caddy, Traefik and Envoy, and in ours.
_TIMES = ("time", "ts", "timestamp", "@timestamp", "time_iso8601", "StartUTC", "start_time")
_METHODS = ("method", "request_method", "RequestMethod")
_TARGETS = ("target", "path", "request_uri", "uri", "url", "RequestPath")
_STATUSES = ("status", "status_code", "response_code", "DownstreamStatus")
_TENANTS = ("tenant", "remote_user", "user", "remote_addr", "remote_ip", "ClientHost", "peer")
_KEYS = ("idempotency_key", "key")
_DURATIONS = {"request_time": 1.0, "duration_s": 1.0, "duration": 1.0, "seconds": 1.0, "duration_ms": 1e-3}
_DURATIONS |= {"took_ms": 1e-3, "latency_ms": 1e-3, "elapsed_ms": 1e-3, "Duration": 1e-9}


@dataclass(frozen=True, slots=True)
class Logged:
    """A request that came `at` (seconds since 1970). `service_s`: how long it took, None where the log is silent."""

    at: float
    method: str
    target: str
    status: int
    service_s: float | None
    tenant: str
    key: str


@dataclass(frozen=True, slots=True)
class NotRead:
    """A line, counted from 1, that is no request, and why."""

    line: int
    why: str


def read_log(log: TextIO) -> Iterator[Logged | NotRead]:
    """Each line that is not blank, in the order of the log; of one that is too long no more than the bound is held."""
    for number, line in enumerate(_bounded(log), 1):
        text = line.strip()
        if not text:
            continue
        try:
            if len(text) > LONGEST_LINE:
                raise ValueError(f"it is longer than {LONGEST_LINE // 1024} KiB")
            yield _from_json(json.loads(text)) if text.startswith("{") else _from_common(text)
        except (ValueError, OverflowError, RecursionError) as error:
            yield NotRead(number, str(error))


def _bounded(log: TextIO) -> Iterator[str]:
    while line := log.readline(LONGEST_LINE + 2):
        rest = line
        while rest and not rest.endswith("\n"):
            rest = log.readline(LONGEST_LINE)
        yield line


def _from_common(text: str) -> Logged:
    found = _COMMON.fullmatch(text)
    if found is None:
        raise ValueError("it is neither common or combined log format nor a JSON object")
    method, target = _request(found["request"])
    tenant = found["host"] if found["user"] == "-" else found["user"]
    return Logged(
        _clock(found["time"]), method, target, int(found["status"]), _trailing_s(found["more"] or ""), tenant, ""
    )


def _from_json(said: Mapping[str, Any]) -> Logged:
    """Without a method and a target of its own, `request` may hold both."""
    method, target = _first(said, _METHODS), _first(said, _TARGETS)
    if (method is None or target is None) and isinstance(said.get("request"), str):
        method, target = _request(said["request"])
    for name, value in (("method", method), ("target", target)):
        if not isinstance(value, str) or not value:
            raise ValueError(f"it has no {name}; known names: {', '.join(_METHODS if name == 'method' else _TARGETS)}")
    at, status = _first(said, _TIMES), _first(said, _STATUSES)
    if at is None:
        raise ValueError(f"it has no time; known names: {', '.join(_TIMES)}")
    return Logged(
        _moment(at),
        str(method),
        str(target),
        int(status) if str(status).isdecimal() else 0,
        _duration_s(said),
        str(_first(said, _TENANTS) or ""),
        str(_first(said, _KEYS) or ""),
    )


def _first(said: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((said[name] for name in names if said.get(name) not in (None, "", "-")), None)


def _request(text: str) -> tuple[str, str]:
    method, _, rest = text.partition(" ")
    target = rest.rpartition(" ")[0] if " HTTP/" in rest else rest
    if not target or not method.isupper():
        raise ValueError(f"its request {text[:40]!r} is no METHOD TARGET")
    return method, target


def _clock(text: str) -> float:
    """By hand: the names of months in a log do not follow the locale."""
    found = _TIME.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        raise ValueError(f"its time {text[:40]!r} is not as 10/Oct/2026:13:55:36 +0000")
    day, _, year, hour, minute, second, sign, hours, minutes = found.groups()
    away = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    month = _MONTHS.index(found[2]) + 1
    return datetime(
        int(year), month, int(day), int(hour), int(minute), min(59, int(second)), tzinfo=timezone(away)
    ).timestamp()


def _moment(at: Any) -> float:
    """ISO 8601, or a number of seconds, milliseconds or microseconds since 1970: by its size."""
    if isinstance(at, str) and not re.fullmatch(r"\d+(\.\d+)?", at):
        if _TIME.fullmatch(at):
            return _clock(at)
        moment = datetime.fromisoformat(at)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    number = float(at)
    for limit, unit in ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6)):
        if 0 <= number < limit:
            return number / unit
    raise ValueError(f"its time {str(at)[:40]!r} is no time since 1970")


def _trailing_s(more: str) -> float | None:
    """The last field behind a line: seconds as nginx writes $request_time (0.123), or microseconds as Apache's %D."""
    last = more.rpartition(" ")[2].strip('"')
    if re.fullmatch(r"\d{1,9}\.\d{1,9}", last):
        return float(last)
    return int(last) / 1e6 if re.fullmatch(r"\d{1,12}", last) else None


def _duration_s(said: Mapping[str, Any]) -> float | None:
    for name, unit in _DURATIONS.items():
        value = said.get(name)
        if value not in (None, "", "-"):
            seconds = float(value) * unit
            if not 0 <= seconds < 86_400:
                raise ValueError(f"its {name} {value!r} is no duration")
            return seconds
    return None
