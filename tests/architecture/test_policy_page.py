"""The reference of policies is what the code says."""

from dataclasses import replace
from pathlib import Path

from outbox.policy import Versions
from outbox.policy.page import MEANING, page, rules
from tests.unit.policies import BULK, LOSSY

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "policy.md"


def test_the_published_terms_and_rules_are_the_true_ones() -> None:
    assert PAGE.read_text().endswith("\n".join(page()) + "\n"), "paste the output of: strangler policy explain"


def test_every_term_is_explained_and_every_rule_has_a_fix() -> None:
    known = set(LOSSY.terms()) | set(replace(BULK, versions=Versions(60.0)).terms())
    assert set(MEANING) == known - {"sampling", "versions"}  # where a policy has none of them
    assert all(rule["fix"] for rule in rules())
