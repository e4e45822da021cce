"""One thing, one name: no two classes of a library share theirs."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The one for an application on Flask is the other with the request's headers, and stands in for it.
ONE_THING = {"Strangled": {"strangler/flask.py", "strangler/sqlalchemy.py"}}


def shared_names(library: Path, root: Path = ROOT) -> list[str]:
    """Each class name that stands in several modules of `library`, with them."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in library.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].add(str(path.relative_to(root)))
    return [
        f"{name}: {', '.join(sorted(found))}"
        for name, found in sorted(places.items())
        if len(found) > 1 and found != ONE_THING.get(name)
    ]


@pytest.mark.parametrize("library", ["outbox", "strangler"])
def test_no_two_classes_of_a_library_have_one_name(library: str) -> None:
    assert shared_names(ROOT / library) == []


def test_two_classes_of_one_name_are_named(tmp_path: Path) -> None:
    for place in ("a.py", "b.py"):
        (tmp_path / place).write_text("class Claim:\n    pass\n")
    (tmp_path / "c.py").write_text("class Other:\n    class Claim:\n        pass\n")

    assert shared_names(tmp_path, tmp_path) == ["Claim: a.py, b.py"]
