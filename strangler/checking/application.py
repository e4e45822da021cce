"""The seams of an application: its modules that speak of `Strangled` are imported, and nothing else of it."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from strangler.checking.findings import Passed
from strangler.source_files import MOST_FILES, module_of, python_files, read_source

if TYPE_CHECKING:
    from strangler.seam.middle import Awaited
    from strangler.seam.step import SeamStep
    from strangler.sqlalchemy import Strangled

SPEAKS = re.compile(r"\bStrangled\b|\bstrangled\.(step|awaited|after|refused|Mixin|map|init_app|created|changed)\b")


@dataclass(slots=True)
class Application:
    """`speaking`: the files that speak of `Strangled`, those that do not load included."""

    speaking: list[Path] = field(default_factory=list)
    modules: list[ModuleType] = field(default_factory=list)
    not_looked: list[Passed] = field(default_factory=list)

    @property
    def strangled(self) -> Sequence[Strangled]:
        """Every one that a module has, once."""
        kind = getattr(sys.modules.get("strangler.sqlalchemy"), "Strangled", None)
        if kind is None:
            return []
        found = [value for module in self.modules for value in vars(module).values() if isinstance(value, kind)]
        return list({id(one): one for one in found}.values())

    def model_of(self, table: str) -> type[Any] | None:
        """The mapped class of the table; its schema counts only where the class says one."""
        wanted = table.rpartition(".")[2]
        for module in self.modules:
            for value in vars(module).values():
                if isinstance(value, type) and getattr(getattr(value, "__table__", None), "name", None) == wanted:
                    return value
        return None


def seams(strangled: Strangled) -> Sequence[SeamStep]:
    """Its steps, those of the middle too."""
    return strangled._seams.steps


def middle(strangled: Strangled) -> Mapping[str, Awaited]:
    """Those of the middle, by name."""
    return strangled._chain.middle.steps


def load_application(folders: Iterable[Path], plan: Path, named: Sequence[str]) -> Application:
    """Import what speaks of `Strangled` in the folders, and the modules that are named; what fails says so."""
    application = Application()
    for path in _speaking(folders, plan, application.not_looked):
        application.speaking.append(path)
        root, name = module_of(path)
        if str(root) not in sys.path:
            sys.path.append(str(root))
        _load(application, name, str(path), path)
    for name in named:
        _load(application, name.partition(":")[0], name, None)
        if name not in {one.about for one in application.not_looked}:
            application.speaking.append(Path(name))
    return application


def _speaking(folders: Iterable[Path], plan: Path, not_looked: list[Passed]) -> Iterator[Path]:
    seen = {os.path.realpath(plan)}
    for folder in folders:
        for number, path in enumerate(python_files(folder), start=1):
            if number == MOST_FILES:
                why = f"{MOST_FILES} Python files were read, none after {path}; run it in a folder with fewer"
                not_looked.append(Passed(str(folder), why))
            place = os.path.realpath(path)
            if place in seen or path.name == "__main__.py":
                continue
            seen.add(place)
            try:
                text = read_source(path).decode(errors="replace")
            except OSError as error:
                not_looked.append(Passed(str(path), f"not read: {error.strerror or error}"))
                continue
            if SPEAKS.search(text):
                yield path


def _load(application: Application, name: str, about: str, path: Path | None) -> None:
    try:
        module = importlib.import_module(name)
        found = getattr(module, "__file__", None) or "built in"
        if path is None or os.path.realpath(found) == os.path.realpath(path):
            application.modules.append(module)
        else:
            why = f"module {name} is {found} here, and not this file; give one of the two another name"
            application.not_looked.append(Passed(about, why))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - of the application's code
        said = f"{type(error).__name__}: {error}"
        application.not_looked.append(
            Passed(about, f"module {name} does not load here: {said}; give it what it needs, then check again")
        )
