"""Which fact answers which: by identity, equal ones first, then by number."""

from strangler.reconcile.pairing import pair
from tests.unit.judging import MAIL, mail


def test_equal_facts_are_paired_by_their_numbers() -> None:
    result = pair([mail(1), mail(2)], [mail(2), mail(1), mail(1, number=0)], MAIL.identity)

    assert [(each.expected.number, each.actual.number) for each in result.pairs] == [(100, 100), (200, 200)]
    assert [each.actual.number for each in result.repeated] == [0]


def test_what_is_missing_is_named_by_its_own_number() -> None:
    result = pair([mail(1), mail(2)], [mail(2)], MAIL.identity)

    assert [fact.number for fact in result.missing] == [100]


def test_an_equal_fact_is_a_better_answer_than_one_of_the_same_number() -> None:
    result = pair([mail(1), mail(2, total_minor=2)], [mail(2), mail(3, total_minor=3)], MAIL.identity)

    assert {(each.expected.number, each.actual.number) for each in result.pairs} == {(100, 200), (200, 300)}


def test_facts_that_differ_are_paired_by_their_numbers_too() -> None:
    result = pair([mail(1), mail(2)], [mail(2, total_minor=2), mail(3, total_minor=3)], MAIL.identity)

    assert {(each.expected.number, each.actual.number) for each in result.pairs} == {(200, 200), (100, 300)}


def test_one_number_with_two_identities_is_one_pair_and_nothing_is_left() -> None:
    result = pair([mail(1)], [mail(1, "other")], MAIL.identity)

    assert (len(result.pairs), result.missing, result.extra) == (1, [], [])
    assert [difference.path for difference in result.pairs[0].different] == ["template"]


def test_facts_without_a_number_are_not_paired_by_it() -> None:
    result = pair([mail(0, number=0)], [mail(0, "other", number=0)], MAIL.identity)

    assert (result.pairs, len(result.missing), len(result.extra)) == ([], 1, 1)
