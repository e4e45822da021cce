"""Where a verb's addresses come from: a flag wins over all that belongs to another database."""

from __future__ import annotations

import pytest

from strangler.cli import parser
from strangler.cli.common import invocation_of

MAIN = "postgresql://owner@127.0.0.1:5432/shop"
ENVIRON = {"STRANGLER_DSN": MAIN, "STRANGLER_JUDGE_DSN": "postgresql://judge@127.0.0.1:5432/shop"}


@pytest.mark.parametrize(
    ("flags", "judged"),
    [
        ([], "shop"),
        (["--dsn", "postgresql://somebody@127.0.0.1:5432/shop"], "shop"),
        (["--dsn", "postgresql://owner@127.0.0.1:5432/copy"], None),
        (["--dsn", "postgresql://owner@127.0.0.1:5433/shop"], None),
    ],
)
def test_the_judges_role_is_of_the_database_that_is_named(flags: list[str], judged: str | None) -> None:
    found = invocation_of(parser().parse_args(["reconcile", *flags]), ENVIRON).environ.get("STRANGLER_JUDGE_DSN")
    assert (None if found is None else found.rpartition("/")[2]) == judged


def test_a_flag_without_a_judge_is_enough() -> None:
    args = parser().parse_args(["reconcile", "--dsn", MAIN])
    assert invocation_of(args, {}).environ["STRANGLER_DSN"] == MAIN
