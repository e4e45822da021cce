"""The page of one order's walk is what its traces give."""

from __future__ import annotations

from tests.walk.__main__ import PAGE, page
from tests.walk.hops import LABEL, in_all
from tests.walk.page import render


def test_the_page_is_what_the_traces_give() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.walk page"


def test_a_function_counts_once_in_a_hop_and_its_file_once() -> None:
    made = render({hop: ["a.py: f", "b.py: g", "a.py: C.h"] for hop in LABEL}, {hop: ["a.py: f"] for hop in LABEL})

    assert "| relay | 3 in 2 | 1 in 1 |" in made
    assert "| **all hops** | 3 in 2 | 1 in 1 |" in made
    assert "## Relay\n\n- `a.py`: `f`\n\n## Fraud\n\n\n" in made  # whose one function every consumer calls


def test_what_only_some_walks_called_is_left_out() -> None:
    assert in_all([{"relay": ["f", "g", "h"]}, {"relay": ["h", "f"]}]) == {"relay": ["f", "h"]}
