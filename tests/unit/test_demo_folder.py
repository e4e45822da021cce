"""What the demo leaves: nothing; its logs where it failed; all of it with --keep, and where it is is said."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest

from legacy_app.cli.demo import _folder
from legacy_app.rehearsal.narrator import Narrator


def left_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None, *, keep: bool) -> list[str]:
    """The files that are left; checks that what stays is named."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    said = io.StringIO()
    with suppress(RuntimeError, KeyboardInterrupt), _folder(Narrator(said), keep=keep) as folder:
        for name in ("logs/relay.log", "postgres/data/pg_control"):
            (folder / name).parent.mkdir(parents=True)
            (folder / name).touch()
        if error is not None:
            raise error
    left = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    assert (str(folder) in said.getvalue()) == bool(left)
    return sorted(left)


@pytest.mark.parametrize(
    ("error", "keep", "left"),
    [
        (None, False, []),
        (KeyboardInterrupt(), False, []),
        (RuntimeError("no Kafka"), False, ["logs/relay.log"]),
        (None, True, ["logs/relay.log", "postgres/data/pg_control"]),
    ],
)
def test_what_a_demo_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException | None, keep: bool, left: list[str]
) -> None:
    assert left_by(tmp_path, monkeypatch, error, keep=keep) == left
