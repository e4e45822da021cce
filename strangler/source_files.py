"""The Python files of an application's folder, and what each is called when it is imported. Reads, never imports."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

# Not the application's own code, or code that is never served.
PASSED_OVER = frozenset(
    {"node_modules", "site-packages", "venv", "env", "virtualenv", "__pycache__", "build", "dist", "tests", "test"}
)
MOST_FILES = 5_000
LARGEST_FILE = 2 * 2**20


class Module(NamedTuple):
    """`root` is the folder that an import starts from, `name` the dotted name below it."""

    root: Path
    name: str


def python_files(folder: Path) -> Iterator[Path]:
    """Those below the folder, in order of their paths, at most `MOST_FILES`; hidden folders, environments and tests are
    left out.
    """
    left = MOST_FILES
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            one
            for one in folders
            if not one.startswith(".") and one not in PASSED_OVER and not (Path(place) / one / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            if name.endswith(".py") and not name.startswith("test_") and name != "conftest.py":
                if left == 0:
                    return
                left -= 1
                yield Path(place) / name


def read_source(path: Path) -> bytes:
    """`OSError` where it cannot be read, is no regular file (a pipe would never end) or is too large."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no regular file")
    if found.st_size > LARGEST_FILE:
        raise OSError(f"it has {found.st_size} bytes, more than {LARGEST_FILE}")
    return path.read_bytes()


def module_of(path: Path) -> Module:
    """As Python imports it: below the first folder upwards that is no package.

    >>> module_of(Path("/somewhere/single.py")).name
    'single'
    """
    names = [] if path.stem == "__init__" else [path.stem]
    folder = path.resolve().parent
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return Module(folder, ".".join(names))
