"""What a function does, in its order: rows, commits, calls that leave the process, calls of its own. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from strangler.adopting.names import HANDS_OVER, TASKS, dotted, full, is_maker, is_outgoing, is_session, text_of
from strangler.adopting.seen import Action, Kind, SourcePlace

_SQL = re.compile(r"^\s*(insert|update|delete|merge)\b", re.IGNORECASE)
_ROWS = ("add", "add_all", "merge", "bulk_save_objects", "delete")
_ANY = "="  # before the name of a variable of which only a caller may know what it is


@dataclass(slots=True)
class Reader:
    """Of one function. `models`: the names of the mapped classes; `made`: what variables of modules were made by;
    `own`: the application's packages.
    """

    path: str
    imports: Mapping[str, str]
    models: set[str]
    made: Mapping[str, str]
    own: set[str]
    types: dict[str, str] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    local: dict[str, str] = field(default_factory=dict)

    def actions(self, body: list[ast.stmt]) -> Iterator[Action]:
        """In the order of the source, which is the order of running where nothing jumps."""
        for statement in body:
            yield from self._statement(statement)

    def _statement(self, node: ast.stmt) -> Iterator[Action]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return
            case ast.With() | ast.AsyncWith():
                yield from self._with(node)
            case ast.Assign() | ast.AnnAssign():
                yield from self._expression(node.value, used=True)
                self._remember(node)
            case ast.If() | ast.While():
                yield from self._expression(node.test, used=True)
                yield from self.actions([*node.body, *node.orelse])
            case ast.For() | ast.AsyncFor():
                yield from self._expression(node.iter, used=True)
                yield from self.actions([*node.body, *node.orelse])
            case ast.Try():
                handlers = [one for handler in node.handlers for one in handler.body]
                yield from self.actions([*node.body, *node.orelse, *node.finalbody, *handlers])
            case ast.Return():
                yield from self._expression(node.value, used=True)
            case _:
                for child in ast.iter_child_nodes(node):
                    yield from self._expression(child, used=not isinstance(node, ast.Expr))

    def _with(self, node: ast.With | ast.AsyncWith) -> Iterator[Action]:
        at_end: list[Action] = []
        for item in node.items:
            call = item.context_expr
            name = dotted(call)
            if isinstance(item.optional_vars, ast.Name):
                self.local[item.optional_vars.id] = self._resolved(name)
                if is_session(name.removesuffix(".begin"), self.sessions) or "session" in name.lower():
                    self.sessions.add(item.optional_vars.id)
            found = list(self._expression(call, used=True))
            if name.endswith(".begin"):
                found.append(Action(Kind.COMMIT, name, self._place(node)))
            ends = [one for one in found if one.kind in (Kind.COMMIT, Kind.CALL)]
            at_end += ends
            yield from (one for one in found if one not in ends)
        yield from self.actions(node.body)
        yield from at_end

    def _expression(self, node: ast.AST | None, *, used: bool) -> Iterator[Action]:
        if node is None or isinstance(node, ast.Lambda):
            return
        if not isinstance(node, ast.Call):
            for child in ast.iter_child_nodes(node):
                yield from self._expression(child, used=True)
            return
        inner = isinstance(node.func, ast.Attribute) and node.func.attr != "raise_for_status"
        yield from self._expression(node.func, used=used or inner) if isinstance(node.func, ast.Attribute) else ()
        for argument in (*node.args, *(one.value for one in node.keywords)):
            yield from self._expression(argument, used=True)
        yield from self._call(node, used=used)

    def _call(self, node: ast.Call, *, used: bool) -> Iterator[Action]:
        name = dotted(node.func)
        receiver, _, last = name.rpartition(".")
        place, resolved = self._place(node), self._resolved(name)
        asked = node.func.value if isinstance(node.func, ast.Attribute) else None
        if isinstance(asked, ast.Call) and is_outgoing(self._resolved(dotted(asked))):
            return  # `.json()` and `.raise_for_status()` of its answer
        if is_outgoing(resolved) or self._hands_over(name, resolved):
            yield Action(Kind.OUTGOING, resolved, place, node, used=used)
        elif receiver and is_session(receiver, self.sessions):
            yield from self._of_session(node, last, place)
        elif last in TASKS and receiver:
            yield Action(Kind.TASK, name, place, node)
        elif name:
            types = [self._type(one) for one in node.args]
            owner = self._receiver(receiver)
            module = resolved.rpartition(".")[0] if name.partition(".")[0] in self.imports else ""
            yield Action(Kind.CALL, last, place, node, types, owner, used, module)

    def _hands_over(self, name: str, resolved: str) -> bool:
        """Whether a library that was imported is asked to."""
        library, _, asked = resolved.partition(".")
        return name.partition(".")[0] in self.imports and library not in self.own and asked.endswith(HANDS_OVER)

    def _of_session(self, node: ast.Call, last: str, place: SourcePlace) -> Iterator[Action]:
        if last in _ROWS:
            argument = node.args[0] if node.args else None
            elements = argument.elts if isinstance(argument, ast.List | ast.Tuple) else [argument]
            for one in elements:
                yield Action(Kind.DELETE if last == "delete" else Kind.ADD, self._type(one), place, node)
        elif last == "commit":
            yield Action(Kind.COMMIT, "commit", place, node)
        elif last == "execute":
            said = [text_of(one) for part in node.args for one in ast.walk(part)]
            writes = any(_SQL.match(text) for text in said)
            makers = {dotted(one).rpartition(".")[2] for part in node.args for one in ast.walk(part)}
            if writes or makers & {"insert", "update", "delete"}:
                yield Action(Kind.SQL, "execute", place, node)

    def _remember(self, node: ast.Assign | ast.AnnAssign) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [one.id for one in targets if isinstance(one, ast.Name)]
        made = dotted(node.value) if isinstance(node.value, ast.Call) else ""
        for name in names:
            self.types[name] = self._type(node.value)
            self.local[name] = self._resolved(made)
            if made and is_session(made, self.sessions):
                self.sessions.add(name)

    def _type(self, node: ast.AST | None) -> str:
        """The model that an expression is of; "" where that is not seen."""
        match node:
            case ast.Name():
                return self.types.get(node.id) or _ANY + node.id
            case ast.Call():
                named = [*dotted(node.func).split("."), *(dotted(one) for one in node.args[:1])]
                return next((part for part in named if part in self.models), "")
            case _:
                return ""

    def _receiver(self, receiver: str) -> str:
        first = receiver.partition(".")[0]
        last = receiver.rpartition(".")[2]
        return last if last in self.models else (self.types.get(first) or _ANY + first) if first else ""

    def _resolved(self, name: str) -> str:
        """`mail.send` is `flask_mail.Mail.send` where a module made `mail` so."""
        first, dot, rest = name.partition(".")
        made = self.local.get(first) or self.made.get(first)
        if made and is_maker(made):
            return made + dot + rest
        return full(name, self.imports)

    def _place(self, node: ast.AST) -> SourcePlace:
        return SourcePlace(self.path, getattr(node, "lineno", 0))
