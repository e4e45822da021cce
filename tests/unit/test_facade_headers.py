"""Header fields on their way through the facade."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facade.headers import (
    GIVEN_ONCE,
    HOP_BY_HOP,
    NEVER_HOP_BY_HOP,
    to_client,
    to_keep,
    to_look_up,
    to_upstream,
)

Fields = list[tuple[str, str]]

OUR_OWN = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host")
plain_names = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)
CONTROL = ["Strangler-Ownership", "strangler_order_ref", "Content_Length", "HOST", "Expect_", "X-Forwarded-For"]
touchy_names = st.sampled_from([*sorted(HOP_BY_HOP), *CONTROL])
fields = st.lists(st.tuples(plain_names | touchy_names, st.text(string.printable[:95], max_size=8)), max_size=12)


def upstream(sent: Fields) -> Fields:
    return to_upstream(sent, peer="10.0.0.9", scheme="http")


@given(fields, st.lists(plain_names | touchy_names, max_size=3))
def test_nothing_of_one_hop_and_no_control_field_goes_on(sent: Fields, named: list[str]) -> None:
    got = upstream([*sent, ("Connection", ", ".join(named))])
    hop = HOP_BY_HOP | ({name.lower() for name in named} - NEVER_HOP_BY_HOP)
    for name, _ in got:
        assert name in OUR_OWN or name.lower() not in hop
        assert not name.lower().replace("_", "-").startswith("strangler-")


@given(fields)
def test_what_goes_on_keeps_its_order_names_and_values(sent: Fields) -> None:
    rest = iter(sent)
    got = [field for field in upstream(sent) if field[0] not in OUR_OWN]
    assert all(field in rest for field in got)  # a subsequence


@given(fields)
def test_plain_fields_all_go_on(sent: Fields) -> None:
    plain = [field for field in sent if field[0].lower() in ("accept", "cookie", "x-1") or field[0].startswith("Z")]
    got = upstream([*plain, ("X_Odd", "1")])
    assert got[: len(plain) + 1] == [*plain, ("X_Odd", "1")]


@given(fields)
def test_a_second_hop_changes_nothing_but_the_chain_of_addresses(sent: Fields) -> None:
    once = upstream([("Host", "a"), *sent])
    twice = upstream(once)
    assert [field for field in twice if field[0] != "X-Forwarded-For"] == [
        field for field in once if field[0] != "X-Forwarded-For"
    ]


def test_a_forwarded_chain_grows_and_what_a_balancer_said_stays() -> None:
    sent = [
        ("Host", "a"),
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-FORWARDED-FOR", "2.2.2.2"),
        ("X-Forwarded-Proto", "https"),
    ]
    assert upstream(sent) == [
        ("Host", "a"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-For", "1.1.1.1, 2.2.2.2, 10.0.0.9"),
        ("X-Forwarded-Host", "a"),
    ]


def test_connection_cannot_take_away_what_the_next_hop_needs() -> None:
    got = upstream(
        [("Host", "a"), ("Content-Type", "b"), ("Cookie", "c"), ("Connection", "host, content-type, cookie")]
    )
    assert got[:2] == [("Host", "a"), ("Content-Type", "b")]
    assert "Cookie" not in dict(got)


@pytest.mark.parametrize(
    "twin",
    ["Content_Length", "transfer_encoding", "X_Forwarded_For", "Host_", "Idempotency_Key", "Strangler_Ownership"],
)
def test_a_twin_with_underscores_of_a_field_that_matters_is_dropped(twin: str) -> None:
    passed = [name for name, _ in upstream([("Host", "a"), (twin, "1")])]
    assert (twin in passed) == (twin == "Host_")


def test_a_response_loses_what_is_of_one_hop_and_keeps_a_coding_beneath_the_chunks() -> None:
    sent = [
        ("Transfer-Encoding", "Chunked"),
        ("Keep-Alive", "5"),
        ("ETag", "e"),
        ("Set-Cookie", "a"),
        ("Set-Cookie", "b"),
    ]
    assert to_client(sent) == [("ETag", "e"), ("Set-Cookie", "a"), ("Set-Cookie", "b")]
    assert to_client([("Content-Length", "5"), ("Connection", "content-length")]) == [("Content-Length", "5")]
    assert to_client([("Transfer-Encoding", "gzip, chunked")]) == [("Transfer-Encoding", "gzip")]


def test_a_look_up_has_the_asker_and_nothing_of_the_write() -> None:
    sent = [("Host", "a"), ("Authorization", "t"), ("Content-Type", "j"), ("If-Match", "e"), ("Idempotency-Key", "k")]
    assert to_look_up(sent) == [("Host", "a"), ("Authorization", "t")]


@pytest.mark.parametrize("name", sorted(GIVEN_ONCE))
def test_what_is_for_one_client_at_one_time_is_not_kept(name: str) -> None:
    sent = [("ETag", "e"), (name.title(), "a"), ("X-Kept", "k"), (name.upper(), "b"), ("Location", "/")]
    assert to_keep(sent) == [("ETag", "e"), ("X-Kept", "k"), ("Location", "/")]


def test_a_look_up_takes_along_what_identifies_the_caller() -> None:
    sent = [("X-API-Key", "k"), ("X-Other", "o"), ("Cookie", "c")]
    assert to_look_up(sent, {"x-api-key"}) == [("X-API-Key", "k"), ("Cookie", "c")]
