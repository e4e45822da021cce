"""`strangler seam suggest`: the patch that makes a function of an application a step."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from strangler.adopting.seam_patch import functions_with_effects, suggest
from strangler.adopting.seen import Function, SeenApplication
from strangler.adopting.shape import Shape, shape_of
from strangler.adopting.survey import survey
from strangler.cli.common import Invocation, refuse
from strangler.errors import BadInput, Refused

EPILOG = (
    "the patch goes to stdout, for `git apply` or `patch -p1`; what it leaves to you to stderr. exit: 0 a patch, "
    "1 there is none, and why, 2 usage"
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("seam", help="the lines that make a function of an application a step")
    verbs = parser.add_subparsers(title="verbs", dest="seam_verb", required=True, metavar="VERB")
    of = verbs.add_parser("suggest", help="print a patch that makes a function a step of the chain", epilog=EPILOG)
    of.add_argument("place", metavar="FILE[:LINE]", help="where the function stands, below the working folder")
    of.set_defaults(run=run, own_stack=True)


def run(invocation: Invocation) -> int:
    """Reads the sources of the working folder, imports nothing, writes nothing."""
    folder = Path()
    path, line = _place(invocation.args.place, folder)
    seen = survey(folder)
    shape = shape_of(seen, folder)
    function = _function(seen, shape, path, line)
    found = suggest(function, seen, shape, folder)
    if isinstance(found, Refused):
        raise refuse(found)
    patch, as_json = found.patch(), getattr(invocation.args, "json", False)
    if as_json or sys.stdout.isatty():
        data = {"function": function.name, "kind": found.kind, "patch": patch, "by_hand": found.by_hand}
        invocation.emit(data, patch.removesuffix("\n").split("\n"))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(found.patch_bytes())  # each file's lines with its own ends, in its own encoding
    if not as_json:
        where = (
            "the tail: it may come after the answer" if found.kind == "tail" else "the middle: the chain waits for it"
        )
        invocation.talk(f"{function.name} ({function.place}) is a step of {where}")
        for number, one in enumerate(found.by_hand, start=1):
            invocation.talk(f"{number}. {one}")
    return 0


def _place(text: str, folder: Path) -> tuple[str, int | None]:
    name, colon, number = text.rpartition(":")
    line: int | None = None
    if colon and number.isdigit():
        text, line = name, int(number)
    shown = os.path.relpath(text, folder)
    if not Path(text).is_file():
        raise BadInput(f"{text} is no file; give FILE or FILE:LINE of a Python file of the application")
    if shown.startswith(".."):
        raise BadInput(f"{text} lies outside of the working folder; run it in the application's own")
    return Path(shown).as_posix(), line


def _function(seen: SeenApplication, shape: Shape, path: str, line: int | None) -> Function:
    in_file = [one for one in seen.functions if one.place.path == path]
    if line is not None:
        around = [one for one in in_file if _first(one) <= line <= (one.node.end_lineno or one.place.line)]
        if not around:
            raise BadInput(f"{path}:{line} is in no function; name a line of one")
        return max(around, key=lambda one: one.place.line)
    found = functions_with_effects(shape, path)
    if len(found) != 1:
        named = ", ".join(f"{path}:{at} {one.name}" for at, one in sorted(found.items()))
        known = named or "none has an effect outside of the process that is seen; `strangler init --dry-run` lists them"
        raise BadInput(f"{path} has {len(found)} functions that could be steps; name one by its line: {known}")
    return next(iter(found.values()))


def _first(function: Function) -> int:
    return min([function.node.lineno, *(one.lineno for one in function.node.decorator_list)])
