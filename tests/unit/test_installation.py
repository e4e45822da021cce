"""Installations are told apart by server and database; their groups and sources say so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox.errors import ConfigurationError
from outbox.event import Event, SourcePosition
from outbox.installation import Installation, foreign, is_whole, source_name, sources_in
from outbox.kafka.codec import to_headers
from outbox.kafka.foreign import LOOK_BACK, foreign_source, source_in
from outbox.kafka.port import Record
from tests.support.kafka.memory import MemoryBroker
from tests.support.kafka.memory_reader import MemoryReader

OURS, THEIRS = "7401538021532815401/shop", "7401538021532815402/shop"
databases = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.integers(1, 2**64 - 1), databases, st.integers(1, 2**64 - 1), databases)
def test_a_source_names_server_and_database_and_no_other(server: int, name: str, other: int, another: str) -> None:
    source = source_name(str(server), name)
    assert is_whole(source)
    assert (source == source_name(str(other), another)) == ((server, name) == (other, another))
    assert SourcePosition.parse(str(SourcePosition(source, 5, 1))).source == source
    assert sources_in({"OUTBOX_SOURCES": f" {source},"}) == {source} or len(source) > 189


@pytest.mark.parametrize("name", ["main", "1/", "/shop", "1/sh op", "x1/shop", "1/shop/2"])
def test_a_source_that_is_none_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match="which is no source"):
        sources_in({"OUTBOX_SOURCES": f"{OURS},{name}"})


def test_no_other_sources_are_named_by_default() -> None:
    assert sources_in({}) == sources_in({"OUTBOX_SOURCES": ""}) == frozenset()


def test_two_installations_have_no_group_in_common() -> None:
    ours, theirs = (Installation(source, frozenset({source})) for source in (OURS, THEIRS))
    assert ours.kafka_group("search") != theirs.kafka_group("search")
    assert ours.kafka_group("search").startswith("search.")
    assert Installation(OURS, frozenset(), "t1.").kafka_group("search") == f"t1.search.{ours.mark}"


def test_the_mark_does_not_change_between_releases() -> None:
    """Groups at the broker are called by it."""
    assert Installation(OURS, frozenset()).mark == "7f05e390"


def test_a_bare_name_is_nobodys() -> None:
    assert not foreign("main", {OURS})
    assert not foreign(OURS, {OURS})
    assert foreign(THEIRS, {OURS})


def broker_with(*sources: str | None) -> MemoryBroker:
    broker = MemoryBroker()
    broker.create("order", 1)
    for at, source in enumerate(sources, 1):
        event = Event("order", "o-1", at, "OrderPlaced", b"{}")
        broker.append("order", b"o-1", b"{}", to_headers(event, (source and SourcePosition(source, at, 0)) or None))
    return broker


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ((), None),
        ((OURS, OURS), None),
        ((None, "main", OURS), None),
        ((OURS, THEIRS), THEIRS),
        ((THEIRS, OURS), THEIRS),
        ((THEIRS, *[OURS] * LOOK_BACK), None),  # only the newest are looked at
    ],
)
def test_a_topic_shows_whose_events_it_holds(sources: tuple[str | None, ...], found: str | None) -> None:
    assert foreign_source(MemoryReader(broker_with(*sources)), "order", 1, {OURS}) == found


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("position", b"\xff:1:2")],
        [("position", b"nonsense")],
        [("position", None)],
        [("position", b"a:xyz:1")],
    ],
)
def test_a_position_that_cannot_be_read_names_no_source(headers: list[tuple[str, bytes]]) -> None:
    assert source_in(Record("order", 0, 0, b"k", b"v", headers, 0)) is None
