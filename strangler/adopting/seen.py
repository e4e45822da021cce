"""What is seen in an application's source: plain values with their places. Pure."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class SourcePlace:
    """A line of a file; the path is relative to the folder that was looked at."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"

    def is_in(self, module: str) -> bool:
        """Whether that is the file's module, by as much of its name as there is in both."""
        whole = self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return f".{whole}".endswith(f".{module}")


class Kind(StrEnum):
    """What a function does, as far as it matters here."""

    ADD = "writes"  # a row of a model
    DELETE = "deletes"
    SQL = "writes by SQL"
    COMMIT = "commits"
    OUTGOING = "calls"  # something outside the process
    TASK = "hands to a worker"
    CALL = "own function"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a function does. `what`: the model, the library's call or the function's name.

    `types`: of a call's arguments, the models that they are of, "" where that is not known, `=NAME` for what a variable
    of that name is, which only the caller knows; `what` of a row and `receiver` likewise.
    `used`: whether the caller does something with the result. `module`: that it was imported of.
    """

    kind: Kind
    what: str
    place: SourcePlace
    node: ast.Call | None = field(default=None, compare=False, repr=False)
    types: Sequence[str] = ()
    receiver: str = ""
    used: bool = False
    module: str = ""


@dataclass(slots=True)
class Function:
    """Of a module, or a method; `owner` is its class. `at_end`: what a context manager does when its block ends."""

    name: str
    place: SourcePlace
    node: ast.FunctionDef | ast.AsyncFunctionDef
    owner: str = ""
    actions: list[Action] = field(default_factory=list)
    at_end: bool = False

    @property
    def parameters(self) -> list[str]:
        arguments = self.node.args
        return [one.arg for one in (*arguments.posonlyargs, *arguments.args)]


@dataclass(frozen=True, slots=True)
class Model:
    """A mapped class. `columns`: attribute and the name of its type, `""` where that is not read."""

    name: str
    table: str
    place: SourcePlace
    columns: Sequence[tuple[str, str]]
    has_to_dict: bool


@dataclass(frozen=True, slots=True)
class SeenRoute:
    """A route: methods and path as Flask has them, and the function behind it."""

    methods: Sequence[str]
    path: str
    function: Function


@dataclass(frozen=True, slots=True)
class FlaskApp:
    """How `flask --app` finds it; `factory`: a function makes it; `arguments`: those that it cannot be made without."""

    reference: str
    place: SourcePlace
    factory: bool
    arguments: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """Of the environment, and where it is read; `default` is a text that stands there for it."""

    name: str
    place: SourcePlace
    default: str = ""


@dataclass(slots=True)
class SeenApplication:
    """Of a whole folder. `globals`: what a module's variable was made by, such as `flask_mail.Mail`."""

    files: int = 0
    functions: list[Function] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    routes: list[SeenRoute] = field(default_factory=list)
    apps: list[FlaskApp] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    globals: dict[str, str] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)  # of globals: the file
    constants: dict[str, ast.expr] = field(default_factory=dict)  # of modules, by name
    prefixes: dict[str, str] = field(default_factory=dict)  # of blueprints, where they are registered
    imports: dict[str, SourcePlace] = field(default_factory=dict)
    flask_names: set[str] = field(default_factory=set)  # that are imported from flask
    urls: list[tuple[str, SourcePlace]] = field(default_factory=list)
    settings: list[tuple[str, SourcePlace]] = field(default_factory=list)
    environments: list[SourcePlace] = field(default_factory=list)  # of Alembic: env.py
    not_understood: list[tuple[SourcePlace, str]] = field(default_factory=list)

    def function(self, name: str, owner: str = "", near: str = "", module: str = "") -> Function | None:
        """The one of that name: the owner's, else that of the module, else the only one, else that of the same file."""
        found = [one for one in self.functions if one.name == name]
        mine = [one for one in found if owner and one.owner == owner]
        there = [one for one in found if module and not one.owner and one.place.is_in(module)]
        here = [one for one in found if one.place.path == near]
        for several in (mine, there, found, here):
            if len(several) == 1:
                return several[0]
        return None

    def model(self, name: str) -> Model | None:
        return next((one for one in self.models if one.name == name), None)
