"""What a stack leaves behind in its folder, and PostgreSQL's data where that lies elsewhere, removed."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from strangler.local.unprivileged_dir import LOCATION


def remove_stack(folder: Path, *, but: Collection[str] = ()) -> None:
    """Of a stack that was stopped: its data are gone for good. `but`: names in the folder that stay."""
    for note in folder.glob(f"*{LOCATION}"):
        shutil.rmtree(note.read_text().strip(), ignore_errors=True)
    for path in folder.iterdir():
        if path.name in but:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
