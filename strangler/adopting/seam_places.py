"""Where a subject is made and where its application is: the lines that tell of it there. Pure but for module names."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from strangler.adopting.chain import RouteChain
from strangler.adopting.edited import LAST, Edited
from strangler.adopting.names import IN_JSON, dotted
from strangler.adopting.seen import Action, Function, Kind, Model, SeenApplication
from strangler.adopting.shape import Shape
from strangler.source_files import module_of

STRANGLED = ("strangler.flask.Strangled", "strangler.sqlalchemy.Strangled")


@dataclass(slots=True)
class Suggestion:
    """`files`: all that were read, changed or not. `by_hand`: what no patch can know, each a sentence."""

    kind: str
    files: dict[str, Edited]
    by_hand: list[str] = field(default_factory=list)

    def patch(self) -> str:
        return "".join(line for path in sorted(self.files) for line in self.files[path].diff())

    def patch_bytes(self) -> bytes:
        """Each file's lines in its own encoding, as `patch` and `git apply` need them."""
        return b"".join(
            line.encode(one.encoding, "surrogateescape" if one.encoding == "utf-8" else "replace")
            for _, one in sorted(self.files.items())
            for line in one.diff()
        )


@dataclass(frozen=True, slots=True)
class About:
    """What is patched. `strangled`: the variable with the application's Strangled, of the file `home`; `imported`: the
    statement that imports it.
    """

    model: Model
    shape: Shape
    suggestion: Suggestion
    strangled: str
    home: str
    imported: str

    def imports(self, file: Edited, before: int = LAST) -> None:
        """In every file but its own."""
        if file.path != self.home:
            file.import_names(self.imported, before=before)


def made_and_served(chain: RouteChain, about: About, seen: SeenApplication, folder: Path) -> None:
    """The model's columns, the line that tells of a new row, and the toolkit's routes in the application."""
    _columns(about)
    _created(chain, about)
    _served(about, seen, folder)


def _columns(about: About) -> None:
    model, suggestion = about.model, about.suggestion
    file = suggestion.files[model.place.path]
    node = next(one for one in ast.walk(file.tree) if isinstance(one, ast.ClassDef) and one.lineno == model.place.line)
    mixin = f"{about.strangled}.Mixin"
    if any(dotted(base).endswith(mixin) for base in node.bases):
        return
    if not node.bases:
        suggestion.by_hand.append(
            f"{model.name} ({model.place}) has no base: name its columns by {about.strangled}.map(...)"
        )
        return
    about.imports(file, before=node.lineno)
    file.at(node.bases[0].lineno, node.bases[0].col_offset, f"{mixin}, ")
    table = ".".join(_quoted(part) for part in model.table.split("."))
    suggestion.by_hand.append(
        f"the table needs its columns where it is there already, by a migration of yours: ALTER TABLE {table} "
        "ADD subject_ref text UNIQUE, ADD version bigint NOT NULL DEFAULT 0, ADD ownership text NOT NULL DEFAULT ''"
    )


def _created(chain: RouteChain, about: About) -> None:
    """Before the commit, behind the add; where both stand in a helper for any row, before the call of the helper."""
    shape = about.shape
    told = f"{about.strangled}.created"
    if any(_says(one.node, told) for one in (chain.route.function, *(link.within for link in chain.links))):
        return
    at = next(number for number, link in enumerate(chain.links) if link.action.kind is Kind.ADD and link.action.what)
    added = chain.links[at]
    argument = added.action.node.args[0] if added.action.node is not None and added.action.node.args else None
    commit = next((one for one in chain.links[at:] if one.action.kind is Kind.COMMIT), None)
    generic = isinstance(argument, ast.Name) and argument.id in added.within.parameters
    if isinstance(argument, ast.Name) and not generic:
        name, indented = argument.id, added.within
        behind = commit is not None and commit.within is indented and commit.action.place.line > added.action.place.line
        if commit is None or not behind:
            _tell(about, indented, added.action.place.line, _lines(name, about), behind=True)
        else:
            _tell(about, indented, commit.action.place.line, _lines(name, about))
        return
    helper = added.within
    function = chain.route.function
    calls = _calls(function, helper.name)
    session = dotted(added.action.node.func).rpartition(".")[0] if added.action.node is not None else ""
    if calls and session and helper.place.path == function.place.path and generic:
        name, line = calls[0]
        first = f"{session}.add({name})  # it is told of before the commit, which {helper.name} makes\n"
        _tell(about, function, line, first + _lines(name, about))
        return
    where = commit.action.place if commit is not None else added.action.place
    about.suggestion.by_hand.append(
        f"say before the commit of a new {shape.subject} ({where}), behind "
        f'its add: {told}({shape.variable}, "{shape.event}", {shape.variable}.to_dict)'
    )


def _calls(function: Function, helper: str) -> list[tuple[str, int]]:
    """The variable that is given to the helper, and the line of that call."""
    calls = [one for one in function.actions if one.kind is Kind.CALL and one.what == helper]
    return [(name, one.place.line) for one in calls if (name := _first_name(one))]


def _first_name(action: Action) -> str:
    given = action.node.args[0] if action.node is not None and action.node.args else None
    return given.id if isinstance(given, ast.Name) else ""


def _lines(name: str, about: About) -> str:
    model, shape, told = about.model, about.shape, f"{about.strangled}.created"
    columns = [column for column, kind in model.columns if kind in IN_JSON][:20]
    if not columns:
        return f'{told}({name}, "{shape.event}", {name}.to_dict)\n'
    fields = ", ".join(f'"{column}": {name}.{column}' for column in columns)
    return f'{told}({name}, "{shape.event}", lambda: {{{fields}}})\n'


def _tell(about: About, function: Function, line: int, text: str, *, behind: bool = False) -> None:
    """Before the statement that holds the line, or behind it, as far in as it is."""
    file, statement = about.suggestion.files[function.place.path], _statement(function, line)
    indent = file.indent_of(statement.lineno)
    if len(indent.encode()) != statement.col_offset:
        side = "behind" if behind else "before"
        about.suggestion.by_hand.append(
            f"{function.place.path}:{statement.lineno} has several statements; {side} what stands there say "
            + "; ".join(text.splitlines())
        )
        return
    about.imports(file)
    at = (statement.end_lineno or statement.lineno) + 1 if behind else statement.lineno
    file.before_line(at, "".join(f"{indent}{one}\n" for one in text.splitlines()))


def _statement(function: Function, line: int) -> ast.stmt:
    """The innermost one that holds the line."""
    inner = [
        node
        for node in ast.walk(function.node)
        if isinstance(node, ast.stmt) and node is not function.node and node.lineno <= line <= (node.end_lineno or line)
    ]
    return min(inner, key=lambda node: ((node.end_lineno or node.lineno) - node.lineno, -node.col_offset))


def _served(about: About, seen: SeenApplication, folder: Path) -> None:
    model, app, name_of_it = about.model, about.shape.app, about.strangled
    if any(_says(one.tree, f"{name_of_it}.init_app") for one in about.suggestion.files.values()):
        return
    makers = [one for one in seen.apps if one.factory] or ([app] if app is not None else [])
    sessions = _sessions(seen, folder)
    if not makers or sessions is None:
        about.suggestion.by_hand.append(
            f"in what makes the application say: {name_of_it}.init_app(app, db, {model.name})"
        )
        return
    maker, (name, module) = makers[0], sessions
    file = about.suggestion.files[maker.place.path]
    tree = file.tree
    statement = next(one for one in tree.body if one.lineno <= maker.place.line <= (one.end_lineno or one.lineno))
    known = module_names(tree) | ({name_of_it} if file.gets(about.imported) else set())
    of_model = f"from {module_of(folder / model.place.path).name} import {model.name}"
    imports = {model.name: of_model, name: f"from {module} import {name}", name_of_it: about.imported}
    wanted = sorted(statement for one, statement in imports.items() if one not in known)
    lines = [*wanted, *([""] if wanted else []), f"{name_of_it}.init_app({{app}}, {name}, {model.name})"]
    if isinstance(statement, ast.FunctionDef):
        _in_factory(statement, file, lines, about.suggestion)
    else:
        variable = maker.reference.rpartition(":")[2]
        end = next((one.lineno for one in tree.body if _is_main(one)), LAST)
        file.before_line(end, "\n" + "".join(f"{one.format(app=variable)}\n" if one else "\n" for one in lines))


def module_names(tree: ast.Module) -> set[str]:
    """What a module defines or imports at its top level."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.Assign):
            found |= {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return found


def _in_factory(function: ast.FunctionDef, file: Edited, lines: Sequence[str], suggestion: Suggestion) -> None:
    given = {one.id for one in ast.walk(function) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}
    taken = [one for one in lines if one.startswith("from ") and one.rpartition(" ")[2] in given]
    if taken:
        suggestion.by_hand.append(f"{function.name} uses what the patch imports in it: {'; '.join(taken)}, look there")
    returns = [one for one in function.body if isinstance(one, ast.Return) and isinstance(one.value, ast.Name)]
    if not returns or not isinstance(returns[-1].value, ast.Name):
        suggestion.by_hand.append(f"{function.name} returns no variable: say {lines[-1]} in it")
        return
    indent = file.indent_of(returns[-1].lineno)
    variable = returns[-1].value.id
    text = "".join(f"{indent}{one.format(app=variable)}\n" if one else "\n" for one in lines)
    file.before_line(returns[-1].lineno, text)


def _says(tree: ast.AST, name: str) -> bool:
    """Whether it calls that."""
    return any(isinstance(node, ast.Call) and dotted(node) == name for node in ast.walk(tree))


def _quoted(name: str) -> str:
    """As SQL takes any name.

    >>> _quoted("order")
    '"order"'
    """
    return '"' + name.replace('"', '""') + '"'


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)


def _sessions(seen: SeenApplication, folder: Path) -> tuple[str, str] | None:
    """Flask-SQLAlchemy's object, a scoped session or a sessionmaker: its name and its module."""
    makers = ("flask_sqlalchemy.SQLAlchemy", "sqlalchemy.orm.scoped_session", "sqlalchemy.orm.sessionmaker")
    for maker in makers:
        for name, made in seen.globals.items():
            if made == maker and (path := seen.homes.get(name)):
                return name, module_of(folder / path).name
    return None
