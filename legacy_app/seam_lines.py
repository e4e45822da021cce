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
ADDED = (
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
)


@dataclass(frozen=True, slots=True)
class SeamCount:
    """Lines by file; `changed` only where there are any."""

    changed: dict[str, int]
    monolith_lines: int
    added: dict[str, int]

    @property
    def changed_lines(self) -> int:
        return sum(self.changed.values())


def count_seam_lines(folder: Path = HERE) -> SeamCount:
    """Count in the sources themselves."""
    texts = {name: (folder / name).read_text() for name in MONOLITH}
    changed = {name: sum(line.endswith(MARK) for line in text.splitlines()) for name, text in texts.items()}
    return SeamCount(
        changed={name: count for name, count in changed.items() if count},
        monolith_lines=sum(text.count("\n") for text in texts.values()) - sum(changed.values()),
        added={name: (folder / name).read_text().count("\n") for name in ADDED},
    )


def strip(text: str) -> str:
    """A module of the monolith as found: without its seam lines."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.rstrip("\n").endswith(MARK))


def table(count: SeamCount) -> list[str]:
    """The count as the rows of docs/reference/seams.md."""
    rows = [f"| `legacy_app/{name}` | {lines} |" for name, lines in count.changed.items()]
    total = f"| **all, beside {count.monolith_lines} lines of monolith** | **{count.changed_lines}** |"
    added = [f"| `legacy_app/{name}` (new) | {lines} |" for name, lines in count.added.items()]
    return ["| File | Lines changed |", "|---|---|", *rows, total, *added]
