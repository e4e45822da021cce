"""An application's folder, looked at by its source alone: nothing of it is imported or run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from strangler.adopting.actions import Reader
from strangler.adopting.flask_apps import read_apps, read_blueprints, read_registered, read_routes
from strangler.adopting.names import IN_JSON, dotted, full, imports_of, is_maker, is_session, text_of
from strangler.adopting.seen import Function, Model, SeenApplication, SourcePlace, Variable
from strangler.source_files import MOST_FILES, module_of, python_files, read_source

_URL = re.compile(r"^(postgres(?:ql)?|mysql|sqlite|oracle|mssql|mariadb)(\+\w+)?://")
_FRAMEWORKS = ("django", "fastapi", "starlette", "aiohttp.web", "sanic", "bottle", "pyramid", "tornado")
DEEPEST_NESTING = 100  # what walks an expression takes up to seven calls a level, and Python has a thousand


@dataclass(frozen=True, slots=True)
class Source:
    """A file that could be read."""

    path: str
    tree: ast.Module
    imports: Mapping[str, str]
    module: str


def survey(folder: Path) -> SeenApplication:
    """All that is seen, and what was not understood, each with its place."""
    seen = SeenApplication()
    sources = list(_sources(folder, seen))
    for source in sources:
        _variables(source, seen)
        _imports(source, seen)
        _globals(source, seen)
        seen.models += _models(source)
    models, sessions = {one.name for one in seen.models}, _session_makers(seen)
    own = {source.module.partition(".")[0] for source in sources}
    for source in sources:
        _functions(source, seen, models, sessions, own)
    for source in sources:
        read_blueprints(source.module, source.tree, source.imports, seen)
    for source in sources:
        read_registered(source.tree, source.imports, seen)
    for source in sources:
        read_apps(source.path, folder, source.tree, source.imports, seen)
    for source in sources:
        read_routes(source.path, source.module, source.tree, source.imports, seen)
    return seen


def _sources(folder: Path, seen: SeenApplication) -> Iterator[Source]:
    for path in python_files(folder):
        seen.files += 1
        shown = path.relative_to(folder).as_posix()
        if seen.files == MOST_FILES:
            seen.not_understood.append(
                (SourcePlace(shown, 1), f"{MOST_FILES} files were read; those after this one were not")
            )
        try:
            data = read_source(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of its odd escapes
                tree = ast.parse(data, shown)
            if (deep := _depth(tree)) > DEEPEST_NESTING:
                raise ValueError(f"its code is nested {deep} deep; {DEEPEST_NESTING} is what is followed")
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None) or 1
            seen.not_understood.append((SourcePlace(shown, line), f"not read: {type(error).__name__}: {error}"))
            continue
        module = module_of(path).name
        package = module if path.stem == "__init__" else module.rpartition(".")[0]
        yield Source(shown, tree, imports_of(tree, package), module)


def _depth(tree: ast.Module) -> int:
    depth, level = 0, list[ast.AST]([tree])
    while level:
        depth, level = depth + 1, [inner for node in level for inner in ast.iter_child_nodes(node)]
    return depth


def _variables(source: Source, seen: SeenApplication) -> None:
    for node in ast.walk(source.tree):
        place = SourcePlace(source.path, getattr(node, "lineno", 1))
        match node:
            case ast.Subscript(value=value, slice=key) if full(dotted(value), source.imports) == "os.environ":
                _add_variable(seen, text_of(key), place, "")
            case ast.Call(func=func, args=[key, *others]) if full(dotted(func), source.imports) in (
                "os.getenv",
                "os.environ.get",
            ):
                _add_variable(seen, text_of(key), place, text_of(others[0]) if others else "")
            case ast.Call(func=ast.Attribute(attr="from_prefixed_env"), args=args):
                prefix = text_of(args[0]) if args else "FLASK"
                _add_variable(seen, f"{prefix}_SQLALCHEMY_DATABASE_URI", place, "")
            case ast.Constant(value=str() as text) if _URL.match(text):
                seen.urls.append((text, place))
            case ast.Constant(value=str() as text) if re.fullmatch(r"SQLALCHEMY_DATABASE_URI|MAIL_[A-Z_]+", text):
                seen.settings.append((text, place))
            case _:
                pass


def _imports(source: Source, seen: SeenApplication) -> None:
    if source.path.endswith("env.py") and source.imports.get("context") == "alembic.context":
        seen.environments.append(SourcePlace(source.path, 1))
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                for one in names:
                    seen.imports.setdefault(one.name, SourcePlace(source.path, node.lineno))
            case ast.ImportFrom(module=str() as module, level=0, names=names):
                seen.imports.setdefault(module, SourcePlace(source.path, node.lineno))
                if module == "flask":
                    seen.flask_names |= {one.name for one in names}
            case _:
                pass


def _add_variable(seen: SeenApplication, name: str, place: SourcePlace, default: str) -> None:
    if name and name not in {one.name for one in seen.variables}:
        seen.variables.append(Variable(name, place, default))


def _globals(source: Source, seen: SeenApplication) -> None:
    for node in source.tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    seen.constants[target.id] = node.value
                    if isinstance(node.value, ast.Call):
                        seen.globals[target.id] = full(dotted(node.value), source.imports)
                        seen.homes[target.id] = source.path


def _session_makers(seen: SeenApplication) -> set[str]:
    """Variables of modules that are sessions, or make them."""
    makers = ("sqlalchemy.orm.sessionmaker", "sqlalchemy.orm.scoped_session", "sqlalchemy.orm.Session")
    return {
        name for name, made in seen.globals.items() if made in makers or (is_session(made, ()) and not is_maker(made))
    }


def _models(source: Source) -> Iterator[Model]:
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ClassDef):
            continue
        table = ""
        columns: list[tuple[str, str]] = []
        for statement in node.body:
            name, value, said = _assigned(statement)
            if name == "__tablename__":
                table = text_of(value)
            elif isinstance(value, ast.Call) and dotted(value).rpartition(".")[2] in ("Column", "mapped_column"):
                columns.append((name, _column_type(value, said)))
            elif value is None and said.startswith("Mapped["):
                columns.append((name, _column_type(None, said)))
        of_flask = any(dotted(base).rpartition(".")[2] in ("Model", "BaseModel") for base in node.bases)
        abstract = any(_assigned(one)[0] == "__abstract__" for one in node.body)
        if (table or (of_flask and columns)) and not abstract:
            methods = {one.name for one in node.body if isinstance(one, ast.FunctionDef)}
            found = table or re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", node.name).lower()
            yield Model(node.name, found, SourcePlace(source.path, node.lineno), columns, "to_dict" in methods)


def _assigned(node: ast.stmt) -> tuple[str, ast.expr | None, str]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value, ""
        case ast.AnnAssign(target=ast.Name(id=name), value=value, annotation=annotation):
            return name, value, ast.unparse(annotation)
        case _:
            return "", None, ""


def _column_type(call: ast.Call | None, annotation: str) -> str:
    found = [dotted(one).rpartition(".")[2] for one in call.args] if call is not None else []
    found += re.findall(r"\w+", annotation)
    return next((one for one in found if one in IN_JSON), "")


def _functions(source: Source, seen: SeenApplication, models: set[str], sessions: set[str], own: set[str]) -> None:
    def visit(body: list[ast.stmt], owner: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit(node.body, node.name)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                place = SourcePlace(source.path, node.lineno)
                reader = Reader(source.path, source.imports, models, seen.globals, own, sessions=set(sessions))
                if owner in models:
                    reader.types["self"] = owner
                function = Function(node.name, place, node, owner)
                function.actions = list(reader.actions(node.body))
                decorators = [dotted(one).rpartition(".")[2] for one in node.decorator_list]
                function.at_end = "contextmanager" in decorators
                seen.functions.append(function)
                visit(node.body, owner)
            elif isinstance(node, ast.If | ast.Try | ast.With):
                visit(node.body, owner)

    visit(source.tree.body, "")
    _outside_functions(source, seen, models, sessions, own)


def _outside_functions(
    source: Source, seen: SeenApplication, models: set[str], sessions: set[str], own: set[str]
) -> None:
    """What a module does when it is imported."""
    reader = Reader(source.path, source.imports, models, seen.globals, own, sessions=set(sessions))
    for action in reader.actions(source.tree.body):
        if action.kind in ("writes", "commits", "calls"):
            why = f"{action.kind} {action.what} outside of any function, when the module is imported"
            seen.not_understood.append((action.place, why))


def other_frameworks(seen: SeenApplication) -> list[tuple[str, SourcePlace]]:
    """Web frameworks that are not Flask."""
    found = [(name, place) for name, place in seen.imports.items() if name.startswith(_FRAMEWORKS)]
    return sorted(found)
