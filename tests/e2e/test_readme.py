"""The ten minutes of the README and the stages of the guide, typed as they stand there, on the embedded default."""

import re
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.typed import ROOT, Shown, recipe, shown_in
from tests.support.waiting import comes_true

pytestmark = pytest.mark.alone

UP_WITHIN_S = 240.0
STOPPED_WITHIN_S = 150.0  # fourteen processes, one after the other, up to 10 s each
GUIDE = sorted((ROOT / "docs" / "guide").glob("[1-5]-*.md"))


def commands() -> list[Shown]:
    """The indented lines of the ladder, after `make up`."""
    ladder = (ROOT / "README.md").read_text().partition("## Ten minutes with it")[2].partition("\n## ")[0]
    return [Shown(line) for line in re.findall(r"^    (\.venv/bin/\S+ .*)$", ladder, re.M)]


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
        assert stack.wait(STOPPED_WITHIN_S) in (0, 130), (tmp_path / "up.log").read_text()
    finally:
        stack.kill()
        stack.wait(30)


@pytest.mark.timeout(900)
def test_every_command_of_the_ladder_and_of_the_guide_works_as_it_stands(up: Path) -> None:
    ladder = commands()
    assert len(ladder) >= 10
    for command in ladder:
        assert typed(up, command).strip(), f"{command.command} said nothing"

    assert len(GUIDE) == 5
    for page in GUIDE:
        walk_stage(up, page)


def typed(up: Path, shown: Shown) -> str:
    """What the command says, which must be what is shown, if anything is."""
    done = shown.run(up)
    assert done.returncode == 0, f"{shown.command}\n{done.stdout}\n{done.stderr}"
    assert not shown.output or shown.is_said_by(done.stdout), f"{shown.command}\n{done.stdout}\nis not\n{shown.output}"
    return done.stdout


def walk_stage(up: Path, page: Path) -> None:
    """Down the page and back: its end is not reached before its steps, is after them, and is not after its undo."""
    parts = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page.read_text(), re.M | re.S))
    before, steps, end, undo = (shown_in(parts[name]) for name in ("Before you start", "Steps", "Done when", "Undo"))
    assert (len(end), bool(steps), bool(undo)) == (1, True, True), page.name
    type_all(up, before)
    assert end[0].run(up).returncode != 0, f"{page.name}: done before it began"
    type_all(up, steps)
    typed(up, end[0])
    type_all(up, undo)
    assert end[0].run(up).returncode != 0, f"{page.name}: done after its undo"
    if page.name.startswith("3-"):  # where the next stage begins
        type_all(up, [step for step in steps if step.command.startswith("strangler advance")])
        type_all(up, [Shown("python -m legacy_app replay --orders 10 --offset 290"), end[0]])


def type_all(up: Path, commands: Sequence[Shown]) -> None:
    for command in commands:
        typed(up, command)
