"""stack.json: only its owner reads it, a dead stack counts as none, a broken file is said so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from strangler.errors import BadInput
from strangler.local.stack_file import Place, StackFile


def stack_file(pid: int) -> StackFile:
    return StackFile(pid, {"STRANGLER_DSN": "postgresql://x"}, (Place("kafka", "127.0.0.1:1", 7, None),))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = stack_file(os.getpid()).write(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert StackFile.read(tmp_path) == stack_file(os.getpid())


def test_a_stack_that_was_killed_counts_as_none(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait(30)
    stack_file(ended.pid).write(tmp_path)
    assert StackFile.read(tmp_path) is None


def test_no_file_is_no_stack(tmp_path: Path) -> None:
    assert StackFile.read(tmp_path) is None
    StackFile.remove(tmp_path)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{")
    with pytest.raises(BadInput, match="remove it"):
        StackFile.read(tmp_path)
