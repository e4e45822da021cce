"""A mail server, asked by smtplib: one connection per mail, and for each failure what it says of the mail."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import smtplib
import ssl
import time
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, getaddresses, parseaddr

from strangler.service.smtp_vendor import NoMail, SmtpServer, SmtpVendor
from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind

logger = logging.getLogger(__name__)

GO_AHEAD = 354  # the answer to DATA
NOTHING_SAID = (OSError, smtplib.SMTPException, ValueError)  # ValueError: a host or a login that cannot be encoded


class SmtpClient:
    """A `Vendor`. Safe across threads: each call has its own connection."""

    def __init__(self, server: SmtpServer, vendor: SmtpVendor) -> None:
        self._server, self._vendor = server, vendor

    @property
    def timeout_s(self) -> float:
        return self._vendor.timeout_s

    @property
    def key_lifetime_s(self) -> float:
        return 0.0

    def look_up(self, key: str, operation: str) -> Answer:  # noqa: ARG002 - nobody can ask a mail server
        return Answer(AnswerKind.UNSETTLED, {"reason": "a mail server cannot be asked what it was sent"})

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:  # noqa: ARG002 - it has one
        """Hand the mail over."""
        try:
            message = self._vendor.compose(body)
            sender, recipients, octets = envelope(message, key)
        except Exception as error:  # noqa: BLE001 - a team's own code, and addresses of its customers
            logger.warning("mail_not_composed", extra={"error": type(error).__name__})
            why = str(error) if isinstance(error, NoMail) else type(error).__name__  # ours shows nothing of a customer
            return Answer(AnswerKind.UNSETTLED, {"reason": f"not composed, nothing was sent: {why}"})
        return _Exchange(self._server, time.monotonic() + self._vendor.timeout_s).send(sender, recipients, octets)


def envelope(message: EmailMessage, key: str) -> tuple[str, Sequence[str], bytes]:
    """Sender, recipients and the message as it goes over the wire. `NoMail` where one of them cannot be."""
    sender = parseaddr(str(message["From"]))[1]
    fields = [str(value) for name in ("To", "Cc", "Bcc") for value in message.get_all(name, [])]
    recipients = [address for _, address in getaddresses(fields)]
    if not sender or not recipients or not all(recipients):
        raise NoMail("no sender, or a recipient without an address")
    if not all(address.isascii() and address.isprintable() for address in (sender, *recipients)):
        raise NoMail("an address with a character that is not printable ASCII")
    del message["Bcc"], message["Message-ID"]
    message["Message-ID"] = message_id(key, sender)
    if "Date" not in message:
        message["Date"] = formatdate()
    octets = message.as_bytes(policy=SMTP)
    return sender, recipients, re.sub(rb"(?m)^\.", b"..", octets)  # RFC 5321 section 4.5.2


def message_id(key: str, sender: str) -> str:
    """The same for each attempt, so that a mail store or a reader can tell a double.

    >>> message_id("booking:17:mail:100", "desk@example.com")
    '<16fd9931c8583969f61763c44254bf23@example.com>'
    """
    digest = hashlib.blake2b(key.encode(), digest_size=16, person=b"strangler-mail").hexdigest()
    return f"<{digest}@{sender.rpartition('@')[2]}>"


class _Exchange:
    """One mail on one connection, until `deadline` on the monotonic clock."""

    def __init__(self, server: SmtpServer, deadline: float) -> None:
        self._server, self._deadline = server, deadline

    def send(self, sender: str, recipients: Sequence[str], octets: bytes) -> Answer:
        try:
            smtp = self._connected()
        except NOTHING_SAID as error:  # also a login that is refused: that is nobody's mail
            return _not_sent(error)
        try:
            return self._hand_over(smtp, sender, recipients, octets)
        finally:
            smtp.close()

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        context = None if server.security == "smtp" else ssl.create_default_context(cafile=server.ca)
        if server.security == "smtps":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=self._left_s(), context=context)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=self._left_s())
        try:
            if server.security == "smtp+starttls":
                self._bound(smtp).starttls(context=context)
            self._bound(smtp).ehlo_or_helo_if_needed()
            if server.user:
                self._bound(smtp).login(server.user, server.password)
        except BaseException:
            smtp.close()
            raise
        return smtp

    def _hand_over(self, smtp: smtplib.SMTP, sender: str, recipients: Sequence[str], octets: bytes) -> Answer:
        """Until the go-ahead the server has nothing of the mail; after it, only its answer says what it did."""
        try:
            steps = [("MAIL", f"FROM:<{sender}>"), *(("RCPT", f"TO:<{each}>") for each in recipients), ("DATA", "")]
            for command, arguments in steps:
                code, _ = self._bound(smtp).docmd(command, arguments)
                if code != GO_AHEAD if command == "DATA" else not 200 <= code < 300:
                    return _said_no(code, command)
        except NOTHING_SAID as error:
            return _not_sent(error)
        try:
            self._bound(smtp).send(octets + (b"" if octets.endswith(b"\r\n") else b"\r\n") + b".\r\n")
            code, _ = self._bound(smtp).getreply()
        except NOTHING_SAID as error:
            return Answer(AnswerKind.UNSETTLED, {"reason": f"no answer to the message: {type(error).__name__}"})
        if 400 <= code < 600:
            return _said_no(code, "message")
        if not 200 <= code < 300:  # the server has the whole mail, and this is not its word on it
            return Answer(AnswerKind.UNSETTLED, {"status": code, "reason": "no readable answer to the message"})
        with contextlib.suppress(*NOTHING_SAID):
            self._bound(smtp).quit()
        return Answer(AnswerKind.DONE, {"status": code})

    def _bound(self, smtp: smtplib.SMTP) -> smtplib.SMTP:
        """With what is left of the call's time for its next wait."""
        if smtp.sock is not None:
            smtp.sock.settimeout(self._left_s())
        return smtp

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the call's time is up")
        return left_s


def _said_no(code: int, command: str) -> Answer:
    """5xx will not change; 4xx may, and so may what is no answer as long as the server has no mail."""
    kind = AnswerKind.REFUSED if 500 <= code < 600 else AnswerKind.NOT_SENT
    return Answer(kind, {"status": code, "reason": f"{command} was answered {code}"})


def _not_sent(error: Exception) -> Answer:
    code = {"status": error.smtp_code} if isinstance(error, smtplib.SMTPResponseException) else {}
    return Answer(AnswerKind.NOT_SENT, {**code, "reason": type(error).__name__})
