"""Every documented setting acts: another value is taken over, and something beside its declaration reads it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from outbox.consumer import RuntimeSettings
from outbox.settings import SETTINGS, RelaySettings
from strangler.facade.server import FacadeSettings
from strangler.service.settings import RunSettings
from strangler.settings import Settings
from strangler.step.effects import SenderSettings

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {"STRANGLER_DSN": "postgresql://here/a", "KAFKA_BOOTSTRAP": "here:1"}
SOURCE = "7401538021532815401/shop"
# The variable, another value than its default, and the field that has it.
RELAY: Mapping[str, tuple[str, str]] = {
    "STRANGLER_DSN": ("postgresql://there/b", "dsn"),
    "KAFKA_BOOTSTRAP": ("there:2", "kafka"),
    "OUTBOX_SLOT": ("mine", "slot"),
    "OUTBOX_PUBLICATION": ("mine", "publication"),
    "OUTBOX_TOPIC_PREFIX": ("mine.", "topic_prefix"),
    "OUTBOX_SOURCES": (SOURCE, "sources"),
    "OUTBOX_TOPIC_PARTITIONS": ("7", "topic_partitions"),
    "OUTBOX_DAYS_AHEAD": ("9", "days_ahead"),
    "OUTBOX_CONFIRM_INTERVAL_MS": ("77", "confirm_interval_ms"),
    "OUTBOX_IN_FLIGHT_RECORDS": ("77", "in_flight_records"),
    "OUTBOX_IN_FLIGHT_BYTES": ("7777777", "in_flight_bytes"),
    "OUTBOX_START_WITHIN_S": ("7", "start_within_s"),
    "OUTBOX_SKIP_EXISTING": ("1", "skip_existing"),
}
SERVICE: Mapping[str, tuple[str, str]] = {
    "STRANGLER_DSN": ("postgresql://there/b", "dsn"),
    "KAFKA_BOOTSTRAP": ("there:2", "kafka"),
    "OUTBOX_TOPIC_PREFIX": ("mine.", "topic_prefix"),
    "OUTBOX_GROUP_PREFIX": ("mine.", "group_prefix"),
    "OUTBOX_POLL_REST_MS": ("7", "timing"),
    "OUTBOX_SOURCES": (SOURCE, "other_sources"),
    "OUTBOX_METRICS_ADDRESS": ("127.0.0.1:9400", "metrics"),
}


def test_the_relays_documented_settings_are_these() -> None:
    assert {setting.name for setting in SETTINGS} - set(RELAY) <= kafkas()
    assert {setting.name for setting in SETTINGS} >= set(RELAY)


def kafkas() -> set[str]:
    """Those of `KafkaSettings`, which has tests of its own."""
    return {setting.name for setting in SETTINGS if setting.name.startswith("KAFKA_")}


@pytest.mark.parametrize("name", RELAY)
def test_a_setting_of_the_relay_is_taken_over(name: str) -> None:
    value, field = RELAY[name]
    before, after = RelaySettings.from_environ(NEEDED), RelaySettings.from_environ(NEEDED | {name: value})
    assert differing(before, after) == {field}


@pytest.mark.parametrize("name", SERVICE)
def test_a_setting_of_a_service_is_taken_over(name: str) -> None:
    value, field = SERVICE[name]
    before, after = RunSettings.from_environ(NEEDED), RunSettings.from_environ(NEEDED | {name: value})
    assert differing(before, after) - {"fault_points", "environ"} == {field}


def test_a_reference_of_services_names_every_setting_of_one() -> None:
    page = (ROOT / "docs/reference/services.md").read_text()
    assert [name for name in SERVICE if name not in page] == []


@pytest.mark.parametrize(
    "kind",
    [RelaySettings, RunSettings, RuntimeSettings, SenderSettings, Settings, FacadeSettings],
    ids=lambda k: k.__name__,
)
def test_what_is_set_is_read_somewhere_beside_its_declaration(kind: Any) -> None:
    home = ROOT / (kind.__module__.replace(".", "/") + ".py")
    own = kind is not SenderSettings and kind is not FacadeSettings  # declared beside what reads them
    unread = [
        field.name
        for field in fields(kind)
        if not any(field.name in attributes(path) for path in modules() if not (own and path == home))
    ]
    assert unread == []


def differing(before: Any, after: Any) -> set[str]:
    return {field.name for field in fields(before) if getattr(before, field.name) != getattr(after, field.name)}


@cache
def modules() -> tuple[Path, ...]:
    return tuple(sorted(path for package in ("outbox", "strangler") for path in (ROOT / package).rglob("*.py")))


@cache
def attributes(path: Path) -> frozenset[str]:
    """Every attribute that a module reads by its name."""
    return frozenset(
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )
