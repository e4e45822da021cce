"""How `quarantine` says what is parked: for people in lines, for programs as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outbox.consumer.quarantine.kept_headers import Headers, decoded, readable, shown_name
from outbox.consumer.quarantine.quarantine_admin import Entry
from outbox.kafka.port import Record
from outbox.printable import one_line

SHOWN_BYTES = 4_000
SHOWN_SUCCESSORS = 20


def document(schema: str, entry: Entry) -> dict[str, Any]:
    """An entry as plain data; times as ISO 8601, None where there is none."""
    times = {"parked_at": entry.parked_at, "resolved_at": entry.resolved_at}
    return {
        "place": f"{schema}:{entry.place}",
        "state": entry.state,
        "group": entry.group_name,
        "key": None if entry.key is None else text_of(entry.key),
        "reason": entry.reason,
        **{name: time and time.isoformat(timespec="seconds") for name, time in times.items()},
        "kept": entry.kept,
        "fixed": entry.fixed,
    }


def listed_lines(found: Sequence[tuple[str, Entry]]) -> list[str]:
    lines = [
        one_line(
            f"{schema}:{entry.place}  {entry.state}  since {entry.parked_at:%Y-%m-%d %H:%M:%S}  "
            f"key {'-' if entry.key is None else text_of(entry.key)}  {entry.reason}"
        )
        for schema, entry in found
    ]
    return lines or ["nothing is parked"]


def shown(
    schema: str, entry: Entry, behind: Sequence[int], stored: Mapping[str, Any], record: Record | None
) -> dict[str, Any]:
    """The entry with its successors, its payload and where that comes from: the log, a copy, or nowhere."""
    source = "kept" if entry.kept else "log" if record is not None else "gone"
    value = stored["kept_value"] if entry.kept else record.value if record else None
    headers = decoded(stored["kept_headers"]) if entry.kept else record.headers if record else []
    given = stored["replacement_headers"]
    return {
        **document(schema, entry),
        "waiting_behind": len(behind),
        "successors": list(behind[:SHOWN_SUCCESSORS]),
        "payload_from": source,
        "payload": None if value is None else text_of(value),
        "headers": _texts(headers),
        "replacement": None if stored["replacement"] is None else text_of(stored["replacement"]),
        "replacement_headers": _texts(decoded(given)) if given else {},
    }


def inspected_lines(seen: Mapping[str, Any]) -> list[str]:
    where = {
        "log": "read from the log",
        "kept": "kept here, beyond the log's retention",
        "gone": "GONE: not in the log, not kept",
    }
    lines = [one_line(f"{name}: {seen[name]}") for name in ("place", "state", "group", "key", "reason", "parked_at")]
    lines.append(f"waiting behind it: {seen['waiting_behind']} at {seen['successors']}")
    lines.append(f"payload, {where[seen['payload_from']]}: {seen['payload']}")
    lines += [one_line(f"header {name}: {value}") for name, value in seen["headers"].items()]
    if seen["fixed"]:
        lines.append(f"replacement: {seen['replacement']}")
    given = seen["replacement_headers"].items()
    return lines + [one_line(f"replacement of header {name}: {value}") for name, value in given]


def _texts(headers: Headers) -> dict[str, Any]:
    return {shown_name(name): None if value is None else text_of(value) for name, value in readable(headers)}


def text_of(value: bytes) -> str:
    """For eyes; what is no UTF-8 is escaped, what is long is cut."""
    text = value[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
    return text if len(value) <= SHOWN_BYTES else f"{text}... ({len(value)} bytes)"
