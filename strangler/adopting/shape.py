"""What the files of an application need to know of it, decided from what was seen. Pure but for installed drivers."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path

from strangler.adopting.chain import Chosen, RouteChain, chain_of, choose
from strangler.adopting.effects import SeenEffect, effect_of
from strangler.adopting.flask_apps import in_plan
from strangler.adopting.seen import FlaskApp, SeenApplication, SourcePlace
from strangler.source_files import read_source

REQUIREMENTS = ("requirements*.txt", "requirements/*.txt", "pyproject.toml", "setup.cfg", "setup.py", "Pipfile")
_DATABASE = re.compile(r"DATABASE|(^|_)DB(_|$)|POSTGRES|SQLALCHEMY|(^|_)DSN$", re.IGNORECASE)
_DRIVER = re.compile(r"^\W*(psycopg2|psycopg|asyncpg|pg8000|mysqlclient|pymysql)\b", re.IGNORECASE | re.MULTILINE)
NO_DRIVER = "no driver is named; psycopg2 and psycopg 3 will do"


@dataclass(slots=True)
class Shape:
    """`database`: the variable of the environment with its address, "" where none is read. `tables`: after `python -m`,
    what makes the application's own.
    """

    app: FlaskApp | None
    chains: Sequence[RouteChain]
    chosen: Chosen | None
    effect: SeenEffect | None
    database: str = ""
    scheme: str = "postgresql"
    driver_said: tuple[str, SourcePlace | None] = ("", None)
    migrations: tuple[str, SourcePlace | None] = ("", None)
    tables: Sequence[str] = ()
    health: str = ""
    caller: str = "anonymous"
    changing: Sequence[tuple[str, SourcePlace]] = field(default=())

    @property
    def subject(self) -> str:
        """Its name in the plan: the model's, in lower case."""
        name = self.chosen.model.name if self.chosen is not None else "subject"
        plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
        return re.sub(r"[^a-z0-9-]", "", plain)[:30] or "subject"

    @property
    def variable(self) -> str:
        """A name for one in code."""
        name = self.subject.replace("-", "_")
        return f"{name}_" if iskeyword(name) else name

    @property
    def event(self) -> str:
        name = self.chosen.model.name if self.chosen is not None else "Subject"
        return f"{name}Made"


def shape_of(seen: SeenApplication, folder: Path) -> Shape:
    """Of the folder that was surveyed; what it takes for granted it says in `not_understood`."""
    chains = [chain_of(route, seen) for route in seen.routes if set(route.methods) - {"GET", "HEAD", "OPTIONS"}]
    chosen = choose(chains, seen)
    effect = effect_of(chosen.effect, seen) if chosen is not None and chosen.effect is not None else None
    shape = Shape(_app(seen), chains, chosen, effect)
    shape.database = next((one.name for one in seen.variables if _DATABASE.search(one.name)), "")
    shape.driver_said, shape.scheme = _driver(seen, folder)
    shape.migrations, shape.tables = _migrations(seen, folder, shape.app)
    shape.health = _health(seen)
    shape.caller = _caller(seen)
    shape.changing = _changing(shape, {one.name for one in seen.models})
    return shape


def _app(seen: SeenApplication) -> FlaskApp | None:
    """A variable before a factory: it has its configuration; a factory that needs arguments last."""
    order = sorted(seen.apps, key=lambda one: (bool(one.arguments), one.factory))
    if not order:
        return None
    chosen, *others = order
    for one in others:
        if not (one.factory and not chosen.factory):
            seen.not_understood.append(
                (one.place, f"another application, {one.reference}: {chosen.reference} is taken")
            )
    if chosen.arguments:
        needed = ", ".join(chosen.arguments)
        why = f"{chosen.reference} needs {needed}: give `flask --app` a module that makes it without"
        seen.not_understood.append((chosen.place, why))
    return chosen


def _driver(seen: SeenApplication, folder: Path) -> tuple[tuple[str, SourcePlace | None], str]:
    for text, place in seen.urls:
        dialect, _, driver = text.partition("://")[0].partition("+")
        if dialect not in ("postgresql", "postgres"):
            seen.not_understood.append((place, f"a {dialect} address: the toolkit works on PostgreSQL only"))
        elif driver:
            return (driver, place), f"postgresql+{driver}"
    for pattern in REQUIREMENTS:
        for path in sorted(folder.glob(pattern)):
            try:
                text = read_source(path).decode(errors="replace")
            except OSError as error:
                place = SourcePlace(path.relative_to(folder).as_posix(), 1)
                seen.not_understood.append((place, f"not read: {error.strerror or error}"))
                continue
            if found := _DRIVER.search(text.replace('"', "\n").replace("'", "\n")):
                line = next(number for number, one in enumerate(text.splitlines(), 1) if found[1] in one)
                name, place = found[1].lower(), SourcePlace(path.relative_to(folder).as_posix(), line)
                if name in ("psycopg2", "psycopg"):
                    return (name, place), f"postgresql+{name}"
                seen.not_understood.append((place, f"driver {name}: the toolkit works with psycopg2 and psycopg 3"))
    installed = "psycopg2" if find_spec("psycopg2") is not None else "psycopg"
    return ("", None), f"postgresql+{installed}"


def _migrations(
    seen: SeenApplication, folder: Path, app: FlaskApp | None
) -> tuple[tuple[str, SourcePlace | None], Sequence[str]]:
    flask_migrate = seen.imports.get("flask_migrate")
    if flask_migrate is not None and app is not None:
        return ("Flask-Migrate", flask_migrate), ("flask", "--app", app.reference, "db", "upgrade")
    places = [path for pattern in ("alembic.ini", "*/alembic.ini", "*/*/alembic.ini") for path in folder.glob(pattern)]
    found = next((one for one in sorted(places) if not one.relative_to(folder).as_posix().startswith(".")), None)
    if found is not None:
        shown = found.relative_to(folder).as_posix()
        at = () if shown == "alembic.ini" else ("-c", shown)
        return ("Alembic", SourcePlace(shown, 1)), ("alembic", *at, "upgrade", "head")
    return _migrations_of_another(seen, app)


def _migrations_of_another(
    seen: SeenApplication, app: FlaskApp | None
) -> tuple[tuple[str, SourcePlace | None], Sequence[str]]:
    """Alembic's files without its `alembic.ini`: a library runs them, by a command that is known of some."""
    found = seen.environments[0] if seen.environments else None
    if "sqlalchemy_helpers.flask_ext" in seen.imports and app is not None:
        return ("sqlalchemy-helpers", found), ("flask", "--app", app.reference, "db", "sync")
    return ("Alembic" if found else "", found), ()


def _health(seen: SeenApplication) -> str:
    """A route that only says that it lives; "" where any answer will do."""
    paths = {one.path for one in seen.routes if "GET" in one.methods}
    return next((one for one in ("/healthz", "/health", "/-/healthy", "/ping", "/status") if one in paths), "")


def _caller(seen: SeenApplication) -> str:
    modules = set(seen.imports)
    if modules & {"flask_httpauth", "flask_jwt_extended", "jwt"}:
        return "header:Authorization"
    if modules & {"flask_login", "flask_security"} or "session" in seen.flask_names:
        return "cookie:session"
    return "anonymous"


def _spoken_of(chain: RouteChain, models: set[str]) -> set[str]:
    """The models whose names stand in its functions."""
    functions = {one.place: one.node for one in (chain.route.function, *(link.within for link in chain.links))}
    nodes = [node for function in functions.values() for node in ast.walk(function)]
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return models & (names | {node.attr for node in nodes if isinstance(node, ast.Attribute)})


def _changing(shape: Shape, models: set[str]) -> list[tuple[str, SourcePlace]]:
    """Routes that commit something about one subject, by its id: they speak of its model, or of none at all and their
    path lies below the creating one's.
    """
    if shape.chosen is None:
        return []
    creating, subject = shape.chosen.chain.route, shape.chosen.model.name
    below = f"{creating.path.rstrip('/')}/<"
    found: list[tuple[str, SourcePlace]] = []
    for chain in shape.chains:
        route, spoken = chain.route, _spoken_of(chain, models)
        of_subject = subject in spoken if spoken else route.path.startswith(below)
        if route is not creating and chain.commits and route.path.count("<") == 1 and of_subject:
            path = re.sub(r"<[^>]*>", "{id}", route.path)
            methods = [one for one in route.methods if one not in ("GET", "HEAD", "OPTIONS")]
            found += [(f"{method} {path}", route.function.place) for method in methods]
    return found


def creating_target(shape: Shape) -> str:
    """As a plan writes it."""
    if shape.chosen is None:
        return "POST /subjects"
    route = shape.chosen.chain.route
    method = next((one for one in ("POST", "PUT") if one in route.methods), route.methods[0])
    return f"{method} {in_plan(route.path)}"
