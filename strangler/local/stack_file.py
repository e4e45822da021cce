"""`stack.json`: where a running stack is, so that other commands find it. Holds secrets: only its owner reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from strangler.errors import BadInput

NAME = "stack.json"


@dataclass(frozen=True, slots=True)
class Place:
    """One process: where it answers (None: nowhere), its pid (None: not ours) and its log."""

    name: str
    address: str | None
    pid: int | None
    log: str | None


@dataclass(frozen=True, slots=True)
class StackFile:
    """`environ` holds every address and token by the name under which our processes read it."""

    pid: int
    environ: Mapping[str, str]
    places: tuple[Place, ...]

    def write(self, folder: Path) -> Path:
        """Whole or not at all: a reader never sees half of it."""
        path, fresh = folder / NAME, folder / f"{NAME}.{os.getpid()}"
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file, indent=2)
        fresh.replace(path)
        return path

    @classmethod
    def read(cls, folder: Path) -> StackFile | None:
        """None when no stack runs from that folder; the file of one that was killed counts as none."""
        try:
            said = json.loads((folder / NAME).read_text())
            found = cls(said["pid"], said["environ"], tuple(Place(**place) for place in said["places"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{folder / NAME} cannot be read: {error!r}; remove it and start again") from error
        return found if _runs(found.pid) else None

    @staticmethod
    def remove(folder: Path) -> None:
        (folder / NAME).unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
