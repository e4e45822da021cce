"""The ten minutes of the README, typed as they stand there, on the embedded default as a newcomer's are."""

import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.typed import ROOT, recipe, runnable
from tests.support.waiting import comes_true

pytestmark = pytest.mark.alone

UP_WITHIN_S = 90.0


def commands() -> list[list[str]]:
    """The indented lines of the ladder, after `make up`."""
    ladder = (ROOT / "README.md").read_text().partition("## Ten minutes with it")[2].partition("\n## ")[0]
    return [shlex.split(line) for line in re.findall(r"^    (\.venv/bin/\S+ .*)$", ladder, re.M)]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Path]:
    """`make up` in a folder of its own; Ctrl-C at the end stops it cleanly."""
    (tmp_path / "legacy_app").symlink_to(ROOT / "legacy_app")  # the recipe names the plan from the checkout
    with (tmp_path / "up.log").open("w") as log:
        command = recipe("up")
        stack = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
    try:
        written = comes_true((tmp_path / ".strangler" / "stack.json").exists, within_s=UP_WITHIN_S)
        assert written, (tmp_path / "up.log").read_text()
        yield tmp_path
        stack.send_signal(signal.SIGINT)
        assert stack.wait(60) in (0, 130), (tmp_path / "up.log").read_text()
    finally:
        stack.kill()
        stack.wait(30)


@pytest.mark.timeout(300)
def test_every_command_of_the_ladder_works_as_it_stands(up: Path) -> None:
    typed = commands()
    assert len(typed) >= 10

    for command in typed:
        done = subprocess.run(runnable(command), cwd=up, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip(), f"{shlex.join(command)} said nothing"
