"""A server of root's must be able to reach its data and its program, wherever the project lies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from strangler.local.unprivileged_dir import Shelter, open_to_others

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes the user")


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def test_a_closed_parent_closes_all_below(closed: Path) -> None:
    below = closed / "below"
    below.mkdir(mode=0o755)
    assert not open_to_others(below)


def test_a_secret_is_for_the_server_alone(closed: Path) -> None:
    shelter = Shelter.for_server(closed, "server")
    shelter.write_secret(shelter.folder / "password", "x")
    assert (shelter.folder / "password").stat().st_mode & 0o777 == 0o600
    assert shelter.folder.stat().st_mode & 0o777 == 0o700
    shelter.remove()


@root_only
def test_root_finds_a_place_that_the_server_can_enter_and_finds_it_again(closed: Path) -> None:
    shelter = Shelter.for_server(closed, "server")
    assert shelter.user == "nobody"
    assert open_to_others(shelter.folder.parent)
    assert Shelter.for_server(closed, "server") == shelter
    shelter.remove()


@root_only
def test_a_program_that_the_server_cannot_reach_is_copied(closed: Path) -> None:
    program = closed / "package" / "bin" / "server"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    (closed / "package.libs").mkdir()
    shelter = Shelter.for_server(closed, "server")
    copy = shelter.readable(program, closed / "package", "package.libs")
    assert copy != program
    assert copy.stat().st_mode & 0o005 == 0o005
    assert (copy.parents[2] / "package.libs").is_dir()
    shelter.remove()
