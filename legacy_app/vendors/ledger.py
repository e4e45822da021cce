"""A vendor's ledger: what it was really asked to do. Append-only lines of JSON, read back at the next start.

Lines are flushed to the operating system, not to the disk: they survive a kill of the process.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True, slots=True)
class Entry:
    """One effect. `requests` counts how often it was asked for with its key; `at` is in seconds since 1970."""

    seq: int
    key: str
    body: dict[str, Any]
    requests: int
    at: float


class OtherBody(Exception):
    """A key that is known already came with another body."""


class Ledger:
    """One book. The caller holds its lock."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[int, Entry] = {}
        self._newest: dict[str, int] = {}
        self._seq = 0
        self._file = self._open(path)

    def accept(self, key: str, body: dict[str, Any], key_ttl_s: float) -> Entry:
        """The effect, once for each key; after the key's lifetime it is a new one."""
        known = self.find(key)
        if known is not None and self._clock() - known.at < key_ttl_s:
            if known.body != body:
                raise OtherBody(f"key {key!r} was used before with another body")
            self._write({"again": known.seq})
            return self._again(known.seq)
        entry = Entry(self._seq + 1, key, body, 1, self._clock())
        self._write({"entry": asdict(entry)})
        return self._add(entry)

    def find(self, key: str) -> Entry | None:
        """The newest effect with that key, however old."""
        return self._entries.get(self._newest.get(key, 0))

    def forget(self, key: str) -> bool:
        """Remove all effects with that key, as if they had never been: for tests of the judge."""
        if key not in self._newest:
            return False
        self._write({"forget": key})
        self._forget(key)
        return True

    def page(self, after: int, limit: int) -> list[Entry]:
        """At most `limit` entries with a greater `seq`, in order."""
        found: list[Entry] = []
        for seq in range(max(after, 0) + 1, self._seq + 1):
            if seq in self._entries:
                found.append(self._entries[seq])
                if len(found) == limit:
                    break
        return found

    def close(self) -> None:
        self._file.close()

    def _add(self, entry: Entry) -> Entry:
        self._seq = max(self._seq, entry.seq)
        self._entries[entry.seq] = entry
        self._newest[entry.key] = entry.seq
        return entry

    def _again(self, seq: int) -> Entry:
        self._entries[seq] = replace(self._entries[seq], requests=self._entries[seq].requests + 1)
        return self._entries[seq]

    def _forget(self, key: str) -> None:
        self._entries = {seq: entry for seq, entry in self._entries.items() if entry.key != key}
        del self._newest[key]

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()

    def _open(self, path: Path) -> TextIO:
        path.touch(mode=0o600)
        whole = path.read_bytes()
        lines = whole[: whole.rfind(b"\n") + 1]  # a kill in the middle of a write leaves a torn line: never answered
        for line in lines.splitlines():
            self._replay(json.loads(line))
        with path.open("r+b") as file:
            file.truncate(len(lines))
        return path.open("a", encoding="utf-8")

    def _replay(self, line: dict[str, Any]) -> None:
        if "entry" in line:
            self._add(Entry(**line["entry"]))
        elif "again" in line:
            self._again(line["again"])
        else:
            self._forget(line["forget"])
