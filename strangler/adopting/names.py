"""What names in a source mean: imports resolved, libraries known, dotted names read off expressions. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

OUTGOING = (
    "requests.",
    "httpx.",
    "aiohttp.",
    "urllib.request.urlopen",
    "urllib3.",
    "flask_mail.Mail.send",
    "flask_mailman.EmailMessage.send",
    "boto3.",
    "botocore.",
    "stripe.",
    "twilio.",
    "sendgrid.",
    "slack_sdk.",
    "pika.",
    "kombu.",
    "kafka.",
    "paho.",
    "redis.Redis.publish",
    "confluent_kafka.",
    "aio_pika.",
    "google.cloud.pubsub",
    "nats.",
    "stomp.",
    "ftplib.",
    "paramiko.",
)
# Makers of what is then called: the call itself goes nowhere yet.
MAKERS = (
    "requests.Session",
    "requests.session",
    "httpx.Client",
    "httpx.AsyncClient",
    "aiohttp.ClientSession",
    "boto3.client",
)
MAKERS_OF_OTHERS = ("flask_mail.Mail", "boto3.resource", "redis.Redis", "smtplib.SMTP", "smtplib.SMTP_SSL")
NOT_CALLS = ("exceptions", "auth", "adapters", "Timeout", "HTTPError", "RequestException", "codes")
# What a library is asked for that hands something over, whichever library it is: `fedora_messaging.api.publish`.
HANDS_OVER = ("publish", "basic_publish", "publish_message", "send_message", "send_mail", "send_email", "send_sms")
TASKS = ("delay", "apply_async", "enqueue", "send_task")
# Types of columns whose values JSON has as they are.
IN_JSON = frozenset(
    {"Integer", "String", "Text", "Boolean", "BigInteger", "SmallInteger", "Unicode", "int", "str", "bool"}
)
MAIL = ("smtplib.", "flask_mail.", "flask_mailman.")
# An extension's object that is found on the application: `current_app.mail.send`.
MAILERS = (".mail.send", ".mail.send_message", ".mailer.send", ".mailer.send_message")


def imports_of(tree: ast.Module, package: str) -> Mapping[str, str]:
    """By local name, the full one. `package`: the module's own, for relative imports."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for one in node.names:
                found[one.asname or one.name.partition(".")[0]] = one.name if one.asname else one.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join(filter(None, (*kept, base)))
            for one in node.names:
                found[one.asname or one.name] = f"{base}.{one.name}" if base else one.name
    return found


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an expression; calls within it are passed through: `Session().add` is `Session.add`; "" for others."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            before = dotted(node.value)
            return f"{before}.{node.attr}" if before else ""
        case ast.Call():
            return dotted(node.func)
        case _:
            return ""


def full(name: str, imports: Mapping[str, str]) -> str:
    """With its first part resolved by the imports."""
    first, dot, rest = name.partition(".")
    return imports.get(first, first) + dot + rest


def is_outgoing(name: str) -> bool:
    """Whether a full name is a call that leaves the process."""
    if is_maker(name) or any(f".{part}" in name for part in NOT_CALLS):
        return False
    if name.startswith("smtplib."):
        return name.endswith((".send_message", ".sendmail"))
    return name.endswith(MAILERS) or any(
        name == one or (name.startswith(one) and one.endswith(".")) for one in OUTGOING
    )


def is_mail(name: str) -> bool:
    """Whether a full name hands a mail over."""
    return name.startswith(MAIL) or name.endswith(MAILERS)


def is_maker(name: str) -> bool:
    """Whether a full name makes what is then asked for the call itself."""
    return name in MAKERS or name in MAKERS_OF_OTHERS


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((one.value for one in call.keywords if one.arg == name), None)


def text_of(node: ast.AST | None) -> str:
    """A literal text; "" for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def texts_of(node: ast.AST | None) -> list[str]:
    """The literal texts of a list, tuple or set."""
    elements: Iterable[ast.AST] = node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else ()
    return [text for text in map(text_of, elements) if text]


def is_session(name: str, known: Iterable[str]) -> bool:
    """Whether the thing that is asked is a SQLAlchemy session, by its name or by what made it.

    >>> is_session("db.session", ()), is_session("g.s", {"s"}), is_session("names", ())
    (True, True, False)
    """
    last = name.rpartition(".")[2]
    return last.lower() in ("session", "sess", "db_session", "dbsession") or last.endswith("Session") or last in known
