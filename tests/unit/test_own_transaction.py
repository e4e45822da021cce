"""What ends a transaction is found in a handler's SQL, and what only looks like it is not."""

from __future__ import annotations

import pytest

from outbox.consumer.own_transaction import ending

BODY = "CREATE FUNCTION twice(n int) RETURNS int BEGIN ATOMIC SELECT n; SELECT CASE WHEN n > 0 THEN 2 END * n; END"


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        (BODY, None),
        (f"{BODY}; SELECT 1", None),
        (BODY.replace("FUNCTION", "OR REPLACE FUNCTION").lower(), None),
        ("CREATE PROCEDURE p() BEGIN ATOMIC INSERT INTO seen VALUES (1);\n\tEND;", None),
        ("CREATE PROCEDURE p() LANGUAGE SQL BEGIN\n  ATOMIC END", None),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS case; END", None),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT t.end FROM t; END", None),
        (f"{BODY}; COMMIT", "COMMIT"),
        (f"{BODY}; {BODY}; END", "END"),
        (f"COMMIT; {BODY}", "COMMIT"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1; END", "END"),  # nothing ends it
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; END $$; END", "END"),
        ("BEGIN ATOMIC; END", "END"),
        ("SELECT 'create function begin atomic'; END", "END"),
        ("SELECT CASE WHEN true THEN 1 END", None),
    ],
)
def test_a_functions_body_ends_no_transaction_and_hides_no_end_of_one(statement: str, word: str | None) -> None:
    assert ending(statement) == word


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("/* /* */ ; COMMIT */ SELECT 1", None),
        ("/* /* */ */ COMMIT", "COMMIT"),
        ("/* a /* b */ c /* d */ */ SELECT 1; /* ; COMMIT */ ROLLBACK", "ROLLBACK"),
        ("SELECT 1 /* ; COMMIT", None),  # which PostgreSQL refuses
        ("SELECT '/*'; COMMIT -- */", "COMMIT"),
        ("SELECT 1 -- /*\n; COMMIT", "COMMIT"),
        (r"SELECT E'\'; COMMIT'", None),
        (r"SELECT e'\\'; COMMIT", "COMMIT"),
        (r"SELECT 'C:\'; COMMIT; SELECT '\'", "COMMIT"),
        (r"SELECT DATE'\'; COMMIT; SELECT DATE'\'", "COMMIT"),  # the E of a name makes no such string
    ],
)
def test_what_is_quoted_or_a_comment_ends_nothing(statement: str, word: str | None) -> None:
    assert ending(statement) == word
