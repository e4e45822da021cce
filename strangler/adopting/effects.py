"""A call that leaves the application, as a vendor of a service: where it goes, and what it sends. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from urllib.parse import urlsplit

from strangler.adopting.chain import RouteLink
from strangler.adopting.names import dotted, is_mail, keyword, text_of
from strangler.adopting.seen import SeenApplication

HTTP = ("requests.", "httpx.", "aiohttp.", "urllib")
NOBODY = "http://127.0.0.1:9"
_WORDS: Sequence[tuple[str, str]] = (
    (r"mail|smtp|confirm|receipt|notif|welcome|invit", "mail"),
    (r"pay|charg|bank|stripe|refund", "payment"),
    (r"stock|reserv|inventor", "stock"),
    (r"index|search", "search"),
    (r"fraud|score", "fraud"),
    (r"publish|broadcast", "bus"),
    (r"hook|event", "webhook"),
    (r"ship|deliver|courier", "shipping"),
)


@dataclass(frozen=True, slots=True)
class SeenEffect:
    """`body`: what is sent, each field as the Python source of what it is made of, in the words of the application.
    `library`: the call of the vendor's own library, where it goes neither by a HTTP client nor by SMTP.
    """

    step: str
    link: RouteLink
    smtp: bool
    url_env: str
    method: str = "POST"
    path: str = "/"
    address: str = NOBODY
    body: Mapping[str, str] = field(default_factory=dict)
    body_node: ast.expr | None = field(default=None, repr=False)
    library: str = ""


def effect_of(link: RouteLink, seen: SeenApplication) -> SeenEffect:
    """Read off the call as far as its source says it."""
    name, node = link.action.what, link.action.node
    step = step_name(link)
    if is_mail(name) or node is None:
        body = _in_holders_words(_mail(link.within.node), link)
        return SeenEffect(step, link, True, "SMTP_URL", address="smtp://127.0.0.1:25", body=body)
    if not name.startswith(HTTP):
        return SeenEffect(step, link, False, "", library=name)
    last = name.rpartition(".")[2]
    method = last.upper() if last in ("get", "post", "put", "patch", "delete") else "POST"
    at = 1 if last == "request" else 0
    url = node.args[at] if len(node.args) > at else keyword(node, "url")
    variable, path, address = _address(url, link.within.node, seen)
    sent = keyword(node, "json") or keyword(node, "data")
    literal = _literal(sent, link.within.node)
    fields = {text_of(key): ast.unparse(value) for key, value in _pairs(literal) if text_of(key)}
    env = variable or f"{step.upper()}_URL"
    body = _in_holders_words(fields, link)
    return SeenEffect(step, link, False, env, method, path or "/", address, body, sent)


def _in_holders_words(fields: Mapping[str, str], link: RouteLink) -> Mapping[str, str]:
    """What a helper got by its parameters, as what its caller gave it."""

    class Given(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            given = link.given.get(node.id)
            return node if given is None else ast.parse(given, mode="eval").body

    if link.holder is link.within or not link.given:
        return fields
    return {name: ast.unparse(Given().visit(ast.parse(source, mode="eval"))) for name, source in fields.items()}


def step_name(link: RouteLink) -> str:
    """What a plan could call the step: by what it is about, else as its function."""
    function = (link.holder or link.within).name
    said = f"{function} {link.within.name} {link.action.what}".lower()
    known = next((name for pattern, name in _WORDS if re.search(pattern, said)), "")
    plain = re.sub(r"[^a-z0-9_]", "_", function.lower()).strip("_0123456789")
    return known or (f"{plain}_step" if iskeyword(plain) else plain) or "effect"


def _address(url: ast.expr | None, within: ast.AST, seen: SeenApplication) -> tuple[str, str, str]:
    """The variable of the environment that is its base, the path behind it, and the address where one is written."""
    parts = _parts(url, within, seen, 0)
    variables = {one.name for one in seen.variables}
    variable = next((part for part, literal in parts if not literal and part in variables), "")
    for name, literal in parts:
        found = next((one for one in seen.variables if not literal and one.name == name), None)
        if found is not None and found.default:
            return name, _path(parts), found.default
    written = "".join(part for part, literal in parts if literal)
    split = urlsplit(written) if "://" in written else None
    if split is not None and split.netloc:
        return variable, split.path or "/", f"{split.scheme}://{split.netloc}"
    return variable, _path(parts), NOBODY


def _path(parts: Sequence[tuple[str, bool]]) -> str:
    """What is written behind the base; a part that is made at the call cannot stand in a declaration."""
    written = "".join(part for part, literal in parts if literal).strip()
    return "/" + written.lstrip("/") if re.fullmatch(r"/?[\w/.~-]*", written) else "/"


def _parts(node: ast.AST | None, within: ast.AST, seen: SeenApplication, depth: int) -> list[tuple[str, bool]]:
    """Texts, and the names of variables: of the environment, or a configuration's key."""
    found: list[tuple[str, bool]] = []
    match node:
        case ast.Constant(value=str() as text):
            found = [(text, True)]
        case ast.BinOp(left=left, right=right):
            found = _parts(left, within, seen, depth) + _parts(right, within, seen, depth)
        case ast.JoinedStr(values=values):
            found = [part for one in values for part in _parts(one, within, seen, depth)]
        case ast.FormattedValue(value=value):
            found = _parts(value, within, seen, depth)
        case ast.Subscript(slice=key) if text_of(key):
            found = [(text_of(key), False)]
        case ast.Call(args=[key, *_]) if dotted(node).endswith((".get", "getenv")) and text_of(key):
            found = [(text_of(key), False)]
        case ast.Name(id=name) if depth < 3:
            made = _assigned(name, within) or seen.constants.get(name)
            found = _parts(made, within, seen, depth + 1) if made is not None else [(name, False)]
        case _:
            pass
    return found


def _literal(node: ast.expr | None, within: ast.AST) -> ast.Dict | None:
    if isinstance(node, ast.Name):
        node = _assigned(node.id, within)
    return node if isinstance(node, ast.Dict) else None


def _pairs(node: ast.Dict | None) -> list[tuple[ast.expr | None, ast.expr]]:
    return list(zip(node.keys, node.values, strict=True)) if node is not None else []


def _assigned(name: str, within: ast.AST) -> ast.expr | None:
    for node in ast.walk(within):
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return value
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for one, value in zip(names, values, strict=False):
                    if isinstance(one, ast.Name) and one.id == name:
                        return value
            case _:
                pass
    return None


def _mail(within: ast.AST) -> Mapping[str, str]:
    """To, subject and text of a message, as `email` and Flask-Mail take them."""
    found: dict[str, str] = {}
    for node in ast.walk(within):
        match node:
            case ast.Assign(targets=[ast.Subscript(slice=key)], value=value) if text_of(key).lower() in (
                "to",
                "subject",
            ):
                found[text_of(key).lower()] = ast.unparse(value)
            case ast.Call(func=ast.Attribute(attr="set_content"), args=[value, *_]):
                found["text"] = ast.unparse(value)
            case ast.Call() if dotted(node).rpartition(".")[2] == "MIMEText" and node.args:
                found["text"] = ast.unparse(node.args[0])
            case ast.Call() if dotted(node).rpartition(".")[2] in ("Message", "EmailMessage") and (
                node.args or node.keywords
            ):
                found |= _message(node)
            case _:
                pass
    return {name: found[name] for name in ("to", "subject", "text") if name in found}


def _message(node: ast.Call) -> dict[str, str]:
    found = {"subject": node.args[0]} if node.args else {}
    for name, called in (("subject", "subject"), ("to", "recipients"), ("to", "to"), ("text", "body")):
        value = keyword(node, called)
        if value is not None:
            found[name] = value
    if len(node.args) > 1:
        found["to"] = node.args[1]
    to = found.get("to")
    if isinstance(to, ast.List | ast.Tuple) and len(to.elts) == 1:
        found["to"] = to.elts[0]
    return {name: ast.unparse(value) for name, value in found.items()}


def of_event(source: str, subject: str, columns: Sequence[str], payload: str) -> str:
    """An expression over the subject's attributes as one over the event's payload; "" where it needs more than that.

    >>> of_event("b.day", "b", ["day"], "booking")
    "booking['day']"
    """

    class Turned(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
            if isinstance(node.value, ast.Name) and node.value.id == subject and node.attr in columns:
                return ast.Subscript(ast.Name(payload, ast.Load()), ast.Constant(node.attr), ast.Load())
            return self.generic_visit(node)

    try:
        turned = Turned().visit(ast.parse(source, mode="eval"))
    except SyntaxError:
        return ""
    names = {node.id for node in ast.walk(turned) if isinstance(node, ast.Name)}
    calls = any(isinstance(node, ast.Call) for node in ast.walk(turned))
    return ast.unparse(ast.fix_missing_locations(turned)) if names <= {payload} and not calls else ""
