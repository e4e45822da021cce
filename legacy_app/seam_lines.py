"""Counts what strangling changed in the monolith, and the modules beside it.

A line of the monolith's that strangling added ends with `# seam`; one that it took away stands behind `# found:`. Of a
run of such lines the more numerous kind counts: a line in the place of another is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MARK, FOUND = "  # seam", "# found: "
HERE = Path(__file__).resolve().parent
# What strangling added, beside lines in the monolith's own modules: what runs in it, and what says what is right.
MONOLITH, GLUE, DECLARATIONS = "monolith", "seams", "plan"


@dataclass(frozen=True, slots=True)
class SeamCount:
    """Lines by file; `changed_by_file` only where there are any. Blank lines and comments count nowhere.

    `changed`: lines of the monolith that were added, replaced or taken away. `glue`: what runs in it beside them.
    `declarations`: what says what is right. `monolith`: its lines as found.
    """

    changed: int
    glue: int
    declarations: int
    monolith: int
    changed_by_file: dict[str, int]
    glue_by_file: dict[str, int]
    declarations_by_file: dict[str, int]


def count_seam_lines(folder: Path = HERE) -> SeamCount:
    """Count in the sources themselves."""
    texts = {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.py"))}
    found, glue, declared = (
        {name: text for name, text in texts.items() if name.startswith(f"{room}/")}
        for room in (MONOLITH, GLUE, DECLARATIONS)
    )
    changed = {name: changed_lines(text) for name, text in found.items()}
    return SeamCount(
        changed=sum(changed.values()),
        glue=sum(map(lines_of, glue.values())),
        declarations=sum(map(lines_of, declared.values())),
        monolith=sum(lines_of(strip(text)) for text in found.values()),
        changed_by_file={name: count for name, count in changed.items() if count},
        glue_by_file={name: lines_of(text) for name, text in glue.items()},
        declarations_by_file={name: lines_of(text) for name, text in declared.items()},
    )


def changed_lines(text: str) -> int:
    """Runs of changed lines go on over blank ones."""
    total, added, taken = 0, 0, 0
    for line in filter(str.strip, [*text.splitlines(), "end"]):
        if is_changed(line):
            added, taken = (added + 1, taken) if line.endswith(MARK) else (added, taken + 1)
        else:
            total, added, taken = total + max(added, taken), 0, 0
    return total


def is_changed(line: str) -> bool:
    """Whether strangling added it, or took away what stands in it."""
    return line.endswith(MARK) or line.lstrip().startswith(FOUND)


def lines_of(text: str) -> int:
    """As formatted; blank lines and those that are a comment left out."""
    lines = (line.strip() for line in text.splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


def strip(text: str) -> str:
    """A module of the monolith as found: without the lines that were added, and with those that were taken away."""
    kept = (line for line in text.splitlines(keepends=True) if not line.rstrip("\n").endswith(MARK))
    return "".join(line.replace(FOUND, "", 1) if is_changed(line) else line for line in kept)


def table(count: SeamCount) -> list[str]:
    """The count as the rows of docs/reference/seams.md."""
    rows = ["| File | Lines |", "|---|---|"]
    for total, files, what in (
        (count.changed, count.changed_by_file, f"changed, beside {count.monolith} lines of monolith"),
        (count.glue, count.glue_by_file, "glue: new modules that run in it"),
        (count.declarations, count.declarations_by_file, "declarations: what is right, and where it is read"),
    ):
        rows += [f"| `legacy_app/{name}` | {lines} |" for name, lines in files.items()]
        rows.append(f"| **{what}** | **{total}** |")
    return rows
