"""Log lines are events with fields, one JSON object each."""

from __future__ import annotations

import json
import logging
import sys

from outbox.telemetry import JsonFormatter


def line(message: str, level: int = logging.INFO, **fields: object) -> dict[str, object]:
    record = logging.getLogger("outbox.test").makeRecord("outbox.test", level, "", 0, message, (), None, extra=fields)
    parsed = json.loads(JsonFormatter().format(record))
    assert isinstance(parsed, dict)
    return parsed


def test_a_line_has_its_event_and_its_fields_and_nothing_else() -> None:
    parsed = line("slot_made", slot="outbox", bytes=12)

    assert set(parsed) == {"at", "level", "logger", "event", "slot", "bytes"}
    assert (parsed["event"], parsed["level"], parsed["bytes"]) == ("slot_made", "info", 12)


def test_what_json_does_not_know_becomes_text() -> None:
    assert line("x", where={1}.__class__)["where"] == "<class 'set'>"


def test_an_exception_is_told() -> None:
    try:
        raise ValueError("why")
    except ValueError:
        record = logging.LogRecord("l", logging.ERROR, "", 0, "failed", (), sys.exc_info())
    assert "ValueError: why" in json.loads(JsonFormatter().format(record))["exception"]
