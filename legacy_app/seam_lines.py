"""Counts what strangling changed in the monolith: its lines that end with `# seam`, and the new modules beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MARK = "  # seam"
HERE = Path(__file__).resolve().parent
MONOLITH = (
    "__init__.py",
    "app.py",
    "chain.py",
    "models.py",
    "reading.py",
    "rejected.py",
    "vendor_client.py",
    "nightly.py",
    "steps/__init__.py",
    "steps/pricing.py",
    "steps/fraud.py",
    "steps/inventory.py",
    "steps/payment.py",
    "steps/notification.py",
    "steps/search.py",
    "steps/recommendation.py",
)
# What strangling added, but for lines in the monolith's own modules.
GLUE = (
    "seams.py",
    "seam_routes.py",
    "order_events.py",
    "shared_stock.py",
    "shared_velocity.py",
    "pausing.py",
    "rest.py",
    "waiting.py",
    "told.py",
    "declined.py",
    "hand_back.py",
    "resume/__init__.py",
    "resume/resumer.py",
    "resume/vendors.py",
)
# What it took to say what the chain is, and what is right: nothing of it runs in the monolith.
DECLARATIONS = (
    "plan.py",
    "readers.py",
    "oracle.py",
    "oracle_middle.py",
    "oracle_velocity.py",
    "choreography.py",
    "choreography_readers.py",
    "authority.py",
    "vendor_ledger.py",
)
# The sample's own tools: a shop has no need of them.
TOOLS = (
    "__main__.py",
    "seam_lines.py",
    "charges.py",
    "disease.py",
    "environ.py",
    "invariants.py",
    "stock_account.py",
    "velocity_account.py",
)


@dataclass(frozen=True, slots=True)
class SeamCount:
    """Lines by file; `changed_by_file` only where there are any. Blank lines and comments count nowhere.

    `changed`: lines of the monolith that end with the mark. `glue`: what runs in it beside them. `declarations`: what
    says what is right.
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
    texts = {name: (folder / name).read_text() for name in MONOLITH}
    changed = {name: sum(line.endswith(MARK) for line in text.splitlines()) for name, text in texts.items()}
    glue, declared = ({name: lines_of((folder / name).read_text()) for name in names} for names in (GLUE, DECLARATIONS))
    return SeamCount(
        changed=sum(changed.values()),
        glue=sum(glue.values()),
        declarations=sum(declared.values()),
        monolith=sum(map(lines_of, texts.values())) - sum(changed.values()),
        changed_by_file={name: count for name, count in changed.items() if count},
        glue_by_file=glue,
        declarations_by_file=declared,
    )


def lines_of(text: str) -> int:
    """As formatted; blank lines and those that are a comment left out."""
    lines = (line.strip() for line in text.splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


def strip(text: str) -> str:
    """A module of the monolith as found: without its seam lines."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.rstrip("\n").endswith(MARK))


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
