"""Counts of articles bought together move by the difference of baskets."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from new_services.recommendation.affinity import difference, pairs

BASKET = st.lists(st.sampled_from("ABCDEF"), max_size=5)


def test_a_first_basket_counts_each_pair_once() -> None:
    assert difference([([], ["B", "A", "C", "A"])]) == {("A", "B"): 1, ("A", "C"): 1, ("B", "C"): 1}


def test_an_emptied_basket_takes_its_pairs_back() -> None:
    assert difference([(["A", "B"], [])]) == {("A", "B"): -1}


def test_two_orders_of_a_batch_add_up_and_cancel_out() -> None:
    assert difference([([], ["A", "B"]), ([], ["B", "A"])]) == {("A", "B"): 2}
    assert difference([([], ["A", "B"]), (["A", "B"], [])]) == {}


@given(st.lists(BASKET, max_size=6))
def test_a_history_of_baskets_leaves_the_pairs_of_the_last_one(history: list[list[str]]) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for old, new in zip([[], *history], history, strict=False):
        counts.update(difference([(old, new)]))
    assert {pair for pair, count in counts.items() if count} == pairs(history[-1] if history else [])
    assert set(counts.values()) <= {0, 1}
