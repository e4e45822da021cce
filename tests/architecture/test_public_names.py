"""The samples, the benchmarks and the docs use public names only."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Collection, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = frozenset(
    {
        "outbox",
        "outbox.audit",
        "outbox.command",
        "outbox.errors",
        "outbox.flags",
        "outbox.policy",
        "outbox.starting",
        "outbox.testing",
        "strangler",
        "strangler.alembic",
        "strangler.bulk",
        "strangler.flask",
        "strangler.sqlalchemy",
        "strangler.choreography",
        "strangler.errors",
        "strangler.facts",
        "strangler.http_server",
        "strangler.local",
        "strangler.operating",
        "strangler.planting",
        "strangler.service",
        "strangler.shared_state",
    }
)
PACKAGES = ("outbox", "strangler")
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def imported(tree: ast.AST) -> Iterator[str]:
    """Every name of ours that is imported, as `module:name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}:{one.name}" for one in node.names)
        elif isinstance(node, ast.Import):
            yield from (f"{one.name}:" for one in node.names)


def names_of(module: str) -> Collection[str]:
    """What a public module shows: `__all__`, or all that has no underscore."""
    found = importlib.import_module(module)
    return getattr(found, "__all__", [name for name in dir(found) if not name.startswith("_")])


def is_private(name: str) -> bool:
    """Whether nobody but its library may import it."""
    module, _, leaf = name.partition(":")
    if module.partition(".")[0] not in PACKAGES:
        return False
    return module not in PUBLIC or (bool(leaf) and leaf not in names_of(module))


def sources() -> Iterator[tuple[str, str]]:
    for folder in ("legacy_app", "new_services", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for snippet in SNIPPET.findall(path.read_text()):
            yield str(path.relative_to(ROOT)), snippet


def found() -> list[str]:
    return sorted(
        {f"{path} {name}" for path, text in sources() for name in imported(ast.parse(text)) if is_private(name)}
    )


def test_only_public_names_are_imported() -> None:
    assert found() == [], "import a public name of outbox or strangler instead, or make one"


def test_the_look_sees_each_kind_of_import() -> None:
    code = (
        "import outbox.relay\nfrom outbox import policy, Event\nfrom outbox.relay.loop import Relay\nimport strangler\n"
    )
    assert [one for one in imported(ast.parse(code)) if is_private(one)] == [
        "outbox.relay:",
        "outbox:policy",
        "outbox.relay.loop:Relay",
    ]


def test_the_docs_have_snippets_to_look_at() -> None:
    assert any(path.endswith(".md") for path, _ in sources())
