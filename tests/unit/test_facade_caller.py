"""Two callers never share the scope of a key; one caller always finds its own."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.facade.caller import CallerFailed, CallerHeaders, caller_fields, cookies, other_scopes, scope_of
from strangler.routes import Callers

Fields = list[tuple[str, str]]
KEY = "key-1"


def account(headers: Mapping[str, str]) -> str | None:
    return headers.get("X-Account")


def scope(callers: Callers, *headers: tuple[str, str], key: str = KEY) -> str:
    found = scope_of(callers, headers, key)
    assert isinstance(found, str)
    return found


def test_without_an_identified_caller_a_key_is_anonymous_or_unknown() -> None:
    assert scope("anonymous") == "anonymous"
    assert [scope(callers) for callers in ((), "cookie:s", "header:X-Api-Key", account)] == ["unknown"] * 4
    assert scope(("cookie:s", "anonymous"), ("Cookie", "t=1")) == "anonymous"


@pytest.mark.parametrize("callers", ["anonymous", (), "cookie:s", "header:X-Api-Key", ("cookie:s", "anonymous")])
def test_an_authorization_counts_whatever_the_plan_says(callers: Callers) -> None:
    own, other = [scope(callers, ("Authorization", f"Bearer {token}")) for token in "ab"]
    assert len({own, other, "anonymous", "unknown"}) == 4
    assert scope(callers, ("AUTHORIZATION", " Bearer a\t")) == own


def test_to_name_the_authorization_changes_nothing() -> None:
    sent = ("Authorization", "Bearer a")
    assert scope("header:authorization", sent) == scope("header:Authorization", sent) == scope((), sent)


def test_a_functions_answer_stands_for_a_token_that_is_refreshed() -> None:
    first, second = ("Authorization", "Bearer a.1"), ("Authorization", "Bearer a.2")
    assert scope(account, first, ("X-Account", "a")) == scope(account, second, ("x-account", "a"))
    assert scope(account, first) != scope(account, second)  # it returned no name, so the tokens count
    both = (account, "header:Authorization")
    assert scope(both, first, ("X-Account", "a")) != scope(both, second, ("X-Account", "a"))


def test_all_that_is_present_counts_in_any_order_of_the_rules() -> None:
    sent = (("Cookie", "s=1"), ("X-Api-Key", "k"))
    either = scope(("cookie:s", "header:X-Api-Key"), *sent)
    assert either == scope(["header:x-api-key", "cookie:s"], *reversed(sent))
    assert len({either, *(scope(("cookie:s", "header:X-Api-Key"), each) for each in sent)}) == 3


def test_the_same_text_in_another_place_is_another_caller() -> None:
    rules = ("cookie:s", "cookie:t", "header:X-A", "header:X-B", account)
    headers = [
        ("Cookie", "s=v"),
        ("Cookie", "t=v"),
        ("X-A", "v"),
        ("X-B", "v"),
        ("X-Account", "v"),
        ("Authorization", "v"),
    ]
    assert len({scope(rules, each) for each in headers}) == len(headers)


def test_repeated_values_all_count_in_their_order() -> None:
    a, b = ("Authorization", "a"), ("Authorization", "b")
    assert len({scope((), *sent) for sent in [(a,), (b,), (a, b), (b, a), (a, a), (("Authorization", "a, b"),)]}) == 6


def test_letter_case_of_a_value_counts() -> None:
    assert scope((), ("Authorization", "bearer x")) != scope((), ("Authorization", "Bearer x"))


def test_a_twin_with_underscores_counts_as_the_field_that_a_wsgi_application_sees() -> None:
    assert scope("header:X-Api-Key", ("X_Api_Key", "k")) == scope("header:X-Api-Key", ("X-Api-Key", "k"))


@pytest.mark.parametrize(
    "empty", [("Authorization", " "), ("Cookie", "s="), ("Cookie", 's=""'), ("Cookie", "s"), ("X-Account", "")]
)
def test_an_empty_value_identifies_nobody(empty: tuple[str, str]) -> None:
    assert scope(("cookie:s", account), empty) == "unknown"


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        (["s=1"], ["1"]),
        (["a=b; s=1; c=d"], ["1"]),
        (["s=1; s=2", "s=3"], ["1", "2", "3"]),
        (["s=2;s=1"], ["2", "1"]),
        (['s="1"'], ["1"]),
        (['s="a;b"; c=d'], ["a;b"]),
        (['s="a\\";b"'], ['a\\";b']),
        (['s="a;b"c; d=e'], ['"a;b"c']),
        (['s="open; c=d'], ['"open']),
        (["s = 1 ; c=d"], ["1"]),
        (["s=a=b=="], ["a=b=="]),
        (["S=1; xs=2; s2=3; $s=4"], []),
        (['a="; s=1'], ["1"]),
        ([";;s=1;"], ["1"]),
        (["s=a b\tc"], ["a b\tc"]),
    ],
)
def test_cookies_are_read_in_every_form_that_clients_send(lines: list[str], values: list[str]) -> None:
    assert cookies([("cOOkie", line) for line in lines], "s") == values


def test_a_name_of_a_cookie_is_no_pattern() -> None:
    assert cookies([("Cookie", "aXb=1; a.b=2")], "a.b") == ["2"]


def test_a_function_sees_fields_by_name_in_any_letter_case() -> None:
    headers = CallerHeaders([("X-Account", "a"), ("x_account", "b"), ("Host", "h")])
    assert (headers["x-ACCOUNT"], headers.get("none"), len(headers), "HOST" in headers) == ("a, b", None, 2, True)
    assert sorted(dict(headers)) == ["Host", "x_account"]


def test_a_function_that_fails_or_returns_no_text_is_named_without_what_it_saw() -> None:
    def broken(headers: Mapping[str, str]) -> str | None:
        raise LookupError(headers["Authorization"])

    sent = [("Authorization", "secret")]
    assert scope_of(broken, sent, KEY) == CallerFailed("LookupError")
    assert scope_of(lambda _: 7, sent, KEY) == CallerFailed("returned int")  # type: ignore[arg-type]  # a plan is not type-checked


def test_the_key_salts_the_scope_and_no_secret_is_in_it() -> None:
    sent = ("Authorization", "Bearer secret")
    assert scope((), sent) != scope((), sent, key="key-2")
    assert set(scope((), sent)) <= set(string.hexdigits)
    assert len(scope((), sent)) == 64


def test_the_scope_does_not_change_between_releases() -> None:
    """Claims are found again by it for a day."""
    found = scope(("cookie:s", account), ("Authorization", "Bearer a"), ("Cookie", "s=1"))
    assert found == "ee307d057a3032b329e87ee14f062b99c4e2fe6bbff41cbbbd0cf3df1971f3b6"


def test_a_claim_that_may_be_the_same_callers_is_looked_for_elsewhere() -> None:
    assert [other_scopes(each) for each in ("anonymous", "unknown", "d1")] == [
        (),
        ("anonymous",),
        ("anonymous", "unknown"),
    ]


def test_what_identifies_a_caller_goes_along_with_a_look_up() -> None:
    assert caller_fields(("header:X-Api-Key", "cookie:s", account, "anonymous")) == {"x-api-key"}


@dataclass(frozen=True)
class Client:
    """What a client sends of itself."""

    tokens: tuple[str, ...]
    keys: tuple[str, ...]
    sessions: tuple[str, ...]
    account: str

    def headers(self) -> Fields:
        return [
            *(("Authorization", token) for token in self.tokens),
            *(("X-Api-Key", key) for key in self.keys),
            *(("Cookie", f"a=b; s={session}") for session in self.sessions),
            *([("X-Account", self.account)] if self.account else []),
        ]

    def identity(self) -> object:
        return (() if self.account else self.tokens), self.keys, self.sessions, self.account


texts = st.text("ab1:", min_size=1, max_size=3)
several = st.lists(texts, max_size=2).map(tuple)
clients = st.builds(Client, several, several, several, st.just("") | texts)


@given(clients, clients)
def test_distinct_callers_never_share_a_scope_and_one_keeps_its_own(one: Client, other: Client) -> None:
    rules = ("header:X-Api-Key", "cookie:s", account)
    assert (scope(rules, *one.headers()) == scope(rules, *other.headers())) == (one.identity() == other.identity())
