"""Where a plan and its services are imported from."""

from __future__ import annotations

import sys
from pathlib import Path


def find_modules_of(path: Path) -> None:
    """What lies in the working directory, or beside the plan at `path`, can be imported from then on.

    An installed command has neither folder in its path. Services are loaded later, so both stay there.
    """
    here, beside = str(Path.cwd()), str(path.resolve().parent)
    if not {here, ""} & set(sys.path):
        sys.path.insert(0, here)
    if beside not in sys.path:
        sys.path.append(beside)  # last: its file names must hide no installed module
