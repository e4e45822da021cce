"""`strangler init`: look at an application's source, say what is there, and write the first files for it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from outbox.written import write_whole
from strangler.adopting.files import PLAN, chosen_names, contents
from strangler.adopting.seen import Kind, SeenApplication
from strangler.adopting.shape import Shape, shape_of
from strangler.adopting.survey import other_frameworks, survey
from strangler.adopting.told_of import data, lines
from strangler.cli.common import Invocation
from strangler.errors import BadInput, RefusedError

EPILOG = (
    "exit: 0 written, or shown by --dry-run; 1 nothing was written: no Flask, no route that makes a row, or everything "
    "is there; 2 usage. What was seen, and what not: docs/reference/init.md"
)


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("init", help="look at an application and write its first plan", epilog=EPILOG)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(), help="of the application (default: this one)")
    parser.add_argument("--dry-run", action="store_true", help="show the files, write none")
    parser.add_argument("--force", action="store_true", help="write what is there already anew")
    parser.set_defaults(run=run, own_stack=True)


def run(invocation: Invocation) -> int:
    """Reads the sources, imports nothing. Never writes over a file without --force."""
    arguments = invocation.args
    folder: Path = arguments.folder
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder; name the one that the application lies in")
    seen = survey(folder)
    shape = shape_of(seen, folder)
    _note(seen, shape)
    said = list(lines(seen, shape))
    _refuse_without(seen, shape, said, invocation)
    names = chosen_names(folder)
    files = contents(shape, names, _where(shape))
    kept = {} if arguments.force else {name: text for name, text in files.items() if (folder / name).exists()}
    written = {name: text for name, text in files.items() if name not in kept}
    if kept and not written and not arguments.dry_run:
        invocation.emit({**data(seen, shape), "written": [], "kept": sorted(kept)}, said)
        raise RefusedError(f"{', '.join(kept)} are there already; --force writes them anew, --dry-run shows them")
    if not arguments.dry_run:
        _write(folder, written)
    shown = {"files": files} if arguments.dry_run else {}
    told = {"dry_run": arguments.dry_run, "written": sorted(written), "kept": sorted(kept), **shown}
    invocation.emit({**data(seen, shape), **told}, [*said, *_ended(arguments, names, written, kept, files)])
    return 0


def _where(shape: Shape) -> str:
    if shape.effect is not None:
        link = shape.effect.link
        holder = link.holder or link.within
        return str(holder.place)
    return str(shape.chosen.chain.route.function.place) if shape.chosen is not None else "FILE"


def _note(seen: SeenApplication, shape: Shape) -> None:
    """What is taken for granted, or left to a person."""
    for chain in shape.chains:
        for link in chain.links:
            if link.action.kind is Kind.ADD and not link.action.what:
                seen.not_understood.append((link.action.place, "a row is written; of which model is not seen"))
            if link.action.kind is Kind.TASK:
                why = f"{link.action.what} hands work to a worker: a step there is declared with deferred=True"
                seen.not_understood.append((link.action.place, why))
    if shape.app is not None and not shape.database:
        named = [place for name, place in seen.settings if name == "SQLALCHEMY_DATABASE_URI"]
        place = named[0] if named else shape.app.place
        why = "no variable of the environment is read for the database's address; read one, and name it as `database`"
        seen.not_understood.append((place, f"{why} in the plan"))
    if shape.chosen is not None and shape.effect is None:
        why = f"nothing that {shape.chosen.chain.route.path} does leaves the process: no step was found in it"
        seen.not_understood.append((shape.chosen.chain.route.function.place, why))


def _refuse_without(seen: SeenApplication, shape: Shape, said: Sequence[str], invocation: Invocation) -> None:
    """Where there is nothing to write a plan for."""
    if shape.app is not None and shape.chosen is not None:
        return
    invocation.emit({**data(seen, shape), "written": [], "kept": []}, said)
    others = ", ".join(f"{name} ({place})" for name, place in other_frameworks(seen)[:3])
    if shape.app is None:
        other = f"; {others} is there: without Flask, docs/reference/strangled.md says what its seams are"
        found = other if others else ""
        raise RefusedError(
            f"no Flask(...) was seen in {seen.files} Python file(s){found}; name the application's folder"
        )
    raise RefusedError(
        "no route was seen that makes a row of a SQLAlchemy model, so there is no subject; write the plan by hand: "
        "docs/guide/README.md, and tell us of the application's shape"
    )


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text.encode())
        except OSError as error:
            raise BadInput(f"{path} cannot be written: {error.strerror or error}; nothing after it was") from error


def _ended(
    arguments: argparse.Namespace,
    names: Mapping[str, str],
    written: Mapping[str, str],
    kept: Mapping[str, str],
    files: Mapping[str, str],
) -> list[str]:
    told = []
    for name, text in files.items():
        verb = "would write" if arguments.dry_run else "wrote"
        told.append(f"kept {name}: it is there, --force writes it anew" if name in kept else f"{verb} {name}")
        if arguments.dry_run and name in written:
            told += [f"    {line}".rstrip() for line in text.splitlines()]
    for usual, name in names.items():
        if usual != name:
            told.append(f"{usual} is the application's own, so ours is {name}")
    flag = "" if names[PLAN] == PLAN else f" --plan {names[PLAN]}"
    told.append(f"next: strangler check{flag} && strangler up{flag}")
    return told
