"""Mail by SMTP as a vendor: where the server is, and how an intent's body becomes a message."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from email.errors import InvalidHeaderDefect
from email.headerregistry import Address, AddressHeader, HeaderRegistry
from email.message import EmailMessage
from typing import cast
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from outbox.terms import check_terms
from strangler.errors import BadInput
from strangler.step.intents import Json
from strangler.step.vendor import Vendor

MakeMessage = Callable[[Mapping[str, Json]], EmailMessage]

FIELDS: Mapping[str, str] = {name: name for name in ("to", "cc", "bcc", "reply_to", "subject", "text", "html")}
PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
FORM = (
    "smtp://HOST, smtp+starttls://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST, with ?ca=FILE for a CA of yours"
)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # whatever some reader takes for the end of a line

_parsed = HeaderRegistry()


class NoMail(ValueError):
    """A mail that cannot be made. Its text names the field, and shows nothing of a customer."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """An address, read. `security` is `smtp`, `smtp+starttls` or `smtps`; the last two verify the server's name."""

    security: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class SmtpVendor:
    """A mail server. It knows no keys and cannot be looked up, so each mail is handed over at most once.

    Its address is read from the variable `url_env` when the service is started: `smtp://HOST`,
    `smtp+starttls://USER:PASSWORD@HOST:587` or `smtps://USER:PASSWORD@HOST`, user and password percent-encoded.
    `sender` is the From of every mail. `message` makes a message of an intent's body: a mapping from `to`, `cc`, `bcc`,
    `reply_to`, `subject`, `text` and `html` to the body's fields, by default of the same names, or a function that
    returns an `email.message.EmailMessage`. A text is one address, a list may be several. Message-ID (a digest of the
    effect's key) and, where missing, From and Date are set. `timeout_s` holds for a whole call. `calls_per_s`: mails a
    second that the server takes from legacy and the new side together (see `HttpVendor`).

    Taken by the server is done. A permanent no (5xx) is refused, for all recipients if it is for one. What fails before
    the message was handed over, and any 4xx, is not sent, and tried again. What breaks after that, or is answered
    unreadably, is unsettled: it goes to an operator (`strangler effects`) and is never sent again by itself. So does a
    mail whose message cannot be made, and one that was under way when the sender was killed.

    >>> fields = {"to": "email", "subject": "title", "text": "text"}
    >>> mail = SmtpVendor("SMTP_URL", sender="desk@example.com", message=fields)
    >>> mail.compose({"email": "ann@example.com", "title": "Your desk", "text": "B7"})["Subject"]
    'Your desk'
    """

    url_env: str
    _: KW_ONLY
    sender: str
    message: MakeMessage | Mapping[str, str] = field(default_factory=lambda: dict(FIELDS))
    timeout_s: float = 30.0
    calls_per_s: float | None = None

    def __post_init__(self) -> None:
        check_terms(self, error=BadInput, above_zero=("timeout_s", "calls_per_s"))
        try:
            _address("sender", self.sender)
        except NoMail as error:
            raise BadInput(
                f"SmtpVendor.sender is {self.sender!r}; give an address, as in 'shop@example.com'"
            ) from error
        unknown = [] if callable(self.message) else sorted(set(self.message) - set(FIELDS))
        if unknown:
            raise BadInput(f"SmtpVendor.message maps {', '.join(unknown)}; it can map {', '.join(FIELDS)}")

    def compose(self, body: Mapping[str, Json]) -> EmailMessage:
        """The message of an intent's body; raises what its function raises, `NoMail` for a field that cannot be."""
        message = self.message(body) if callable(self.message) else _composed(self.message, body)
        if "From" not in message:
            message["From"] = self.sender
        return message

    def at(self, environ: Mapping[str, str], caller: str = "a service") -> Vendor:
        """A client for the server that the environment names; `BadInput` where it names none, or one of no use."""
        from strangler.service.smtp_client import SmtpClient  # noqa: PLC0415 - a declaration imports no client

        url = environ.get(self.url_env)
        if not url:
            raise BadInput(f"not set: {self.url_env}, which {caller} mails by; set it to {FORM}")
        return SmtpClient(server_of(url, self.url_env), self)


def server_of(url: str, name: str) -> SmtpServer:
    """The server of an address. `BadInput` shows no part of it: it may hold a password."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), 0
    more = parse_qs(parts.query)
    if not port or not parts.hostname or parts.path.strip("/") or set(more) - {"ca"}:
        raise BadInput(f"{name} cannot be read; write {FORM}")
    if parts.username and parts.scheme == "smtp" and parts.hostname not in LOOPBACK:
        raise BadInput(f"{name} would send a password in the clear; write smtp+starttls:// or smtps://")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not (user + password).isascii():
        raise BadInput(f"{name} has a user or password outside ASCII, which no login by SMTP takes; set another")
    return SmtpServer(parts.scheme, parts.hostname, port, user, password, more.get("ca", [None])[0])


def _composed(fields: Mapping[str, str], body: Mapping[str, Json]) -> EmailMessage:
    said = {name: body[given] for name, given in fields.items() if body.get(given) is not None}
    if not said.get("to") or not ("text" in said or "html" in said):
        raise NoMail("it needs a recipient and a text")
    message = EmailMessage()
    for name, header in (("to", "To"), ("cc", "Cc"), ("bcc", "Bcc"), ("reply_to", "Reply-To")):
        value = said.get(name)
        if value:
            message[header] = [_address(name, each) for each in (value if isinstance(value, list) else [value])]
    if "subject" in said:
        subject = str(said["subject"])
        if CONTROL.search(subject):
            raise NoMail("subject has a line break or another control character")
        message["Subject"] = subject
    if "text" in said:
        message.set_content(str(said["text"]))
    if "html" in said:
        (message.add_alternative if "text" in said else message.set_content)(str(said["html"]), subtype="html")
    return message


def _address(name: str, value: Json) -> Address:
    """The one address of a text. A list is the only way to several: a customer's field with a comma must not be one."""
    text = str(value)
    if CONTROL.search(text):
        raise NoMail(f"{name} has a line break or another control character")
    header = _parsed("to", text)
    found = cast("AddressHeader", header)
    wrong = any(type(defect) is InvalidHeaderDefect for defect in header.defects)  # those derived from it are harmless
    alone = len(found.groups) == len(found.addresses) == 1 and found.groups[0].display_name is None
    if wrong or not alone or not found.addresses[0].domain:
        raise NoMail(f"{name} is not exactly one address; give several as a list, each a text of its own")
    return found.addresses[0]
