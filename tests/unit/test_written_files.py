"""A file that a verb writes: said at once where it cannot be, and never left half."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from outbox.errors import ConfigurationError
from outbox.written import destination, write_whole
from strangler.cli import main, parser
from tests.faults.arguments import read_arguments
from tests.unit.test_audited_verbs import leaves

WRITING = ("--out", "--report", "--asyncapi", "--metrics")
CALLS = {
    "choreography check": ["--metrics"],
    "quarantine inspect": ["search:orders/0@1", "--out"],
    "reconcile": ["--metrics"],
    "topology": ["--asyncapi"],
}


def test_these_verbs_write_files() -> None:
    found = {" ".join(path) for path, flags in leaves(parser()) if set(flags) & set(WRITING)}
    assert found == CALLS.keys()


@pytest.mark.parametrize("verb", CALLS)
def test_a_missing_folder_is_said_before_anything_is_asked(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for where, why in ((tmp_path / "no" / "file", "there is no folder"), (tmp_path, "it is a folder")):
        assert main([*verb.split(), *CALLS[verb], str(where)]) == 2
        assert why in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_fault_runs_say_it_before_they_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_arguments(["flips", "--report", str(tmp_path / "no" / "out.json")])
    assert "there is no folder" in capsys.readouterr().err


def test_what_is_there_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"before")
    (tmp_path / "link").symlink_to(kept)
    write_whole(tmp_path / "link", b"after")
    assert (kept.read_bytes(), (tmp_path / "link").is_symlink()) == (b"after", True)

    def full(_: Path, data: bytes) -> int:
        raise OSError(28, f"No space left for {len(data)} bytes")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ConfigurationError, match="kept cannot be written: No space left"):
        write_whole(kept, b"more")
    monkeypatch.undo()
    assert kept.read_bytes() == b"after"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["kept", "link"]


def test_what_is_no_file_is_written_to() -> None:
    read, write = os.pipe()
    write_whole(destination(f"/dev/fd/{write}"), b"payload")
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert pipe.read() == b"payload"
