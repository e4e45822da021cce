"""Files that a verb writes: whether one can be is said before the work, and it is there whole or not at all."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

from outbox.errors import ConfigurationError


def destination(text: str) -> Path:
    """The file of a flag, for `add_argument(type=...)`: refused now, not after an hour's work."""
    path = Path(text)
    if (problem := _problem(path)) is not None:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: {problem}")
    return path


def write_whole(path: Path, data: bytes) -> None:
    """In place of what is there, by a file beside it that takes its name. `ConfigurationError` says why not."""
    place = path.resolve()  # what a link points to is replaced, not the link
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():  # a pipe, a terminal: nothing to take the name of
            path.write_bytes(data)
            return
        beside.write_bytes(data)
        beside.replace(place)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; give another file") from error


def _problem(path: Path) -> str | None:
    if path.is_dir():
        return "it is a folder; name a file in it"
    stream = path.exists() and not path.is_file()
    folder = path.resolve().parent
    if not stream and not folder.is_dir():
        return f"there is no folder {path.parent}; make it first"
    if not os.access(path if stream else folder, os.W_OK):
        return f"nothing may be written {'there' if stream else f'in {folder}'}; give another place"
    return None
