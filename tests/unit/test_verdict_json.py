"""What a ledger held is stored as JSON that PostgreSQL takes, whatever was in it."""

from __future__ import annotations

import json

import pytest

from strangler.reconcile.verdicts import encode


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("a\0\0b", "a\ufffd\ufffdb"),
        ("\\u0000", "\\u0000"),
        ("\\\0", "\\\ufffd"),
        ("\\\\u0000", "\\\\u0000"),
        ("\ud800", "?"),
    ],
)
def test_what_a_text_says_stays_what_it_says_but_for_what_cannot_be_stored(said: str, stored: str) -> None:
    assert json.loads(encode({"body": said})) == {"body": stored}
