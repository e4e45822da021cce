"""Flask in a source: what makes the application, how `flask --app` finds it, and its routes."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from strangler.adopting.names import dotted, full, keyword, text_of, texts_of
from strangler.adopting.seen import FlaskApp, Function, SeenApplication, SeenRoute, SourcePlace

METHODS = ("get", "post", "put", "patch", "delete")
_PLACEHOLDER = re.compile(r"<(?:(\w+)(?:\([^>]*\))?:)?(\w+)>")


def read_apps(path: str, folder: Path, tree: ast.Module, imports: Mapping[str, str], seen: SeenApplication) -> None:
    """`Flask(...)` in a function makes a factory; at the top level, or made there by a factory, a variable."""
    if path.endswith("__main__.py"):
        return  # it serves when it is imported
    where = _as_flask_takes_it(path)
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call) if _is_flask(call, imports):
                seen.apps.append(FlaskApp(f"{where}:{name}", SourcePlace(path, node.lineno), factory=False))
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                made = dotted(call).rpartition(".")[2]
                if made in ("create_app", "make_app") and (folder / path).name != "__init__.py":
                    seen.apps.append(FlaskApp(f"{where}:{name}", SourcePlace(path, node.lineno), factory=False))
            case ast.FunctionDef() if any(_is_flask(one, imports) for one in ast.walk(node)):
                given = node.args
                positional = [*given.posonlyargs, *given.args]
                needed = [one.arg for one in positional[: len(positional) - len(given.defaults)]]
                named = zip(given.kwonlyargs, given.kw_defaults, strict=True)
                needed += [one.arg for one, default in named if default is None]
                found = FlaskApp(f"{where}:{node.name}", SourcePlace(path, node.lineno), factory=True, arguments=needed)
                seen.apps.append(found)
            case _:
                pass


def _as_flask_takes_it(path: str) -> str:
    """A path without its suffix: Flask puts the folder above the package on the import path by itself."""
    return path.removesuffix(".py").removesuffix("/__init__")


def _is_flask(node: ast.AST, imports: Mapping[str, str]) -> bool:
    return isinstance(node, ast.Call) and full(dotted(node.func), imports) in ("flask.Flask", "flask.app.Flask")


def read_routes(path: str, module: str, tree: ast.Module, imports: Mapping[str, str], seen: SeenApplication) -> None:
    """By decorators, `add_url_rule` and `add_resource`; those of blueprints with their prefixes."""
    prefixes = _prefixes_in(module, imports, seen)
    for function in seen.functions:
        if function.place.path == path:
            for decorator in function.node.decorator_list:
                if isinstance(decorator, ast.Call):
                    _decorated(function, decorator, prefixes, seen)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            _decorated_class(SourcePlace(path, node.lineno), node, seen)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "add_url_rule":
                _rule(SourcePlace(path, node.lineno), node, prefixes, seen, tree=tree, imports=imports)
            elif node.func.attr == "add_resource" and len(node.args) > 1:
                _resource(SourcePlace(path, node.lineno), node.args[0], [text_of(one) for one in node.args[1:]], seen)


def read_blueprints(module: str, tree: ast.Module, imports: Mapping[str, str], seen: SeenApplication) -> None:
    """Each blueprint of the module by its full name, with the prefix that it was made with."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                if full(dotted(call.func), imports).rpartition(".")[2] == "Blueprint":
                    seen.prefixes[f"{module}.{name}"] = text_of(keyword(call, "url_prefix"))
            case _:
                pass


def read_registered(tree: ast.Module, imports: Mapping[str, str], seen: SeenApplication) -> None:
    """`app.register_blueprint(orders.bp, url_prefix="/orders")`: that prefix counts. After all `read_blueprints`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="register_blueprint"), args=[blueprint, *_]):
                prefix = text_of(keyword(node, "url_prefix"))
                name = _known(full(dotted(blueprint), imports), seen)
                if name and prefix:
                    seen.prefixes[name] = prefix
            case _:
                pass


def _known(name: str, seen: SeenApplication) -> str:
    """The blueprint of that full name, or the only one whose variable is called so."""
    alike = [one for one in seen.prefixes if one.rpartition(".")[2] == name.rpartition(".")[2]]
    return name if name in seen.prefixes else alike[0] if len(alike) == 1 else ""


def _prefixes_in(module: str, imports: Mapping[str, str], seen: SeenApplication) -> Mapping[str, str]:
    """By the name that a blueprint has in the module."""
    own = {one.rpartition(".")[2]: prefix for one, prefix in seen.prefixes.items() if one.rpartition(".")[0] == module}
    known = {name: _known(imported, seen) for name, imported in imports.items()}
    return {name: seen.prefixes[one] for name, one in known.items() if one} | own


def _decorated(function: Function, call: ast.Call, prefixes: Mapping[str, str], seen: SeenApplication) -> None:
    receiver, _, last = dotted(call.func).rpartition(".")
    if last not in ("route", *METHODS) or not receiver:
        return
    path = text_of(call.args[0] if call.args else keyword(call, "rule"))
    if not path:
        seen.not_understood.append((function.place, f"the path of @{receiver}.{last} is not a literal text"))
        return
    said = keyword(call, "methods")
    methods = [last.upper()] if last in METHODS else texts_of(said) or ["GET"]
    if said is not None and not texts_of(said):
        seen.not_understood.append((function.place, f"the methods of {path} are not written as a literal list"))
    prefix = prefixes.get(receiver.rpartition(".")[2], "")
    seen.routes.append(SeenRoute([one.upper() for one in methods], prefix + path, function))


def _decorated_class(place: SourcePlace, node: ast.ClassDef, seen: SeenApplication) -> None:
    """As Flask-RESTX and flask-smorest have it; a prefix of their own is not seen."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and dotted(decorator.func).endswith(".route") and decorator.args:
            _resource(place, ast.Name(node.name), [text_of(one) for one in decorator.args], seen)


def _rule(
    place: SourcePlace,
    call: ast.Call,
    prefixes: Mapping[str, str],
    seen: SeenApplication,
    *,
    tree: ast.Module,
    imports: Mapping[str, str],
) -> None:
    rule = text_of(call.args[0] if call.args else keyword(call, "rule"))
    view = keyword(call, "view_func") or (call.args[2] if len(call.args) > 2 else None)
    name = dotted(view) if view is not None else ""
    prefix = prefixes.get(dotted(call.func).rpartition(".")[0].rpartition(".")[2], "")
    if isinstance(view, ast.Name) and (made := _made_before(name, call, tree)) is not None:
        view, name = made, dotted(made)
    if rule and isinstance(view, ast.Call) and name.endswith(".as_view"):
        _resource(place, view.func.value if isinstance(view.func, ast.Attribute) else view, [prefix + rule], seen)
        return
    module, _, called = full(name, imports).rpartition(".")
    function = seen.function(called, near=place.path, module=module)
    if not rule or function is None:
        seen.not_understood.append((place, "add_url_rule of a path or a view that is not seen here"))
        return
    methods = texts_of(keyword(call, "methods")) or ["GET"]
    seen.routes.append(SeenRoute([one.upper() for one in methods], prefix + rule, function))


def _made_before(name: str, call: ast.Call, tree: ast.Module) -> ast.Call | None:
    """`view = Orders.as_view("orders")`, the last one above the call that names it."""
    found = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.lineno < call.lineno and isinstance(node.value, ast.Call)
        if dotted(node.value).endswith(".as_view")
        if any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
    ]
    return max(found, key=lambda one: one.lineno, default=None)


def _resource(place: SourcePlace, view: ast.AST, paths: list[str], seen: SeenApplication) -> None:
    owner = dotted(view).rpartition(".")[2]
    methods = [one for one in seen.functions if one.owner == owner and one.name in METHODS]
    if not owner or not methods:
        seen.not_understood.append((place, f"the view {owner or '?'} has no method that is seen here"))
    for function in methods:
        seen.routes += [SeenRoute([function.name.upper()], path, function) for path in paths if path]


def in_plan(path: str) -> str:
    """A Flask path as a plan writes it.

    >>> in_plan("/orders/<int:order_id>/cancel"), in_plan("/files/<path:name>")
    ('/orders/{order_id}/cancel', '/files/{name:path}')
    """
    return _PLACEHOLDER.sub(lambda found: f"{{{found[2]}{':path' if found[1] == 'path' else ''}}}", path)
