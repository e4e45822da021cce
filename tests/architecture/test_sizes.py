"""The house keeps its rooms small: 300 lines a module at most, 50 a function, a docstring each."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES, FUNCTION_LINES = 300, 50
PACKAGES = ("outbox", "strangler", "legacy_app", "new_services", "migrations", "tests", "benchmarks")
STRANGERS = tuple(path for path in (ROOT / "tests" / "strangers").iterdir() if path.is_dir())  # as others write them
MODULES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if not any(path.is_relative_to(folder) for folder in STRANGERS)
)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_module_fits_its_room() -> None:
    assert [problem for path in MODULES for problem in problems(path)] == []


def problems(path: Path, root: Path = ROOT) -> Iterator[str]:
    """What is wrong with a module, with its place."""
    text, name = path.read_text(), path.relative_to(root)
    tree = ast.parse(text)
    if (lines := text.count("\n")) > LINES:
        yield f"{name} has {lines} lines, {LINES} fit"
    for function in functions(tree):
        if (lines := (function.end_lineno or function.lineno) - function.lineno + 1) > FUNCTION_LINES:
            yield f"{name}:{function.lineno} {function.name} has {lines} lines, {FUNCTION_LINES} fit"
    if tree.body and not ast.get_docstring(tree):
        yield f"{name} does not say in a docstring what it is for"


def test_what_is_too_large_or_silent_is_named(tmp_path: Path) -> None:
    body = "    x = 1\n"
    (tmp_path / "long.py").write_text(f"def work():\n{body * FUNCTION_LINES}" + "\n" * LINES)
    found = list(problems(tmp_path / "long.py", tmp_path))
    assert [part.split(" ", 1)[1].split(",")[0] for part in found] == [
        f"has {LINES + FUNCTION_LINES + 1} lines",
        f"work has {FUNCTION_LINES + 1} lines",
        "does not say in a docstring what it is for",
    ]


def test_the_walk_finds_the_project() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} >= {"outbox", "strangler", "tests"}
    assert len(MODULES) > 40
