"""A mail server for tests, in a process of its own. It keeps what it takes, and answers as the recipient says."""

from __future__ import annotations

import asyncio
import os
import signal
import socketserver
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.certificates import certificate
from tests.support.running import in_thread

USER, PASSWORD = "shop", "open sesame/1"
# By the recipient's local part. `hang-up` and `silent` come after the whole message, which the server has kept by then.
AT_RECIPIENT = {"full": "452 4.2.2 mailbox full", "unknown": "550 5.1.1 no such user"}
AT_MESSAGE = {"busy": "451 4.3.0 try later", "spam": "554 5.7.1 no"}


class Keeping:
    """Handles what aiosmtpd parses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        said = AT_RECIPIENT.get(address.partition("@")[0])
        if said is None:
            envelope.rcpt_tos.append(address)
        return said or "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        to = envelope.rcpt_tos[0].partition("@")[0]
        if to in AT_MESSAGE:
            return AT_MESSAGE[to]
        number = len(list(self._folder.glob("*.eml")))
        head = f"X-Envelope: {' '.join(envelope.rcpt_tos)}\r\n".encode()
        part = self._folder / f"{number:03}.part"
        assert isinstance(envelope.content, bytes)
        part.write_bytes(head + envelope.content)
        part.rename(part.with_suffix(".eml"))
        if to == "hang-up":
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if to == "silent":
            await asyncio.Event().wait()
        return "250 OK"


def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=(data.login, data.password) == (USER.encode(), PASSWORD.encode()), handled=False)


async def serve(folder: Path, security: str) -> None:
    context = None
    if security != "smtp":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder / "server.crt", folder / "server.key")
    secured = security != "smtp"

    def protocol() -> SMTP:
        return SMTP(
            Keeping(folder),
            hostname="mail.test",
            authenticator=check if secured else None,
            auth_required=secured,
            auth_require_tls=security == "smtp+starttls",
            tls_context=context if security == "smtp+starttls" else None,
            require_starttls=security == "smtp+starttls",
        )

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=context if security == "smtps" else None
    )
    sys.stdout.write(f"ready {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """`address` without a scheme. `process` may be killed."""

    folder: Path
    address: str
    process: subprocess.Popen[str]

    @property
    def mails(self) -> list[Message]:
        """What it has taken, in order; `X-Envelope` lists the recipients."""
        return [message_from_bytes(path.read_bytes()) for path in sorted(self.folder.glob("*.eml"))]


@contextmanager
def smtp_server(folder: Path, security: str = "smtp") -> Iterator[SmtpServer]:
    """On a free port of loopback, until the block ends."""
    folder.mkdir(exist_ok=True)
    if security != "smtp":
        certificate(folder)
    argv = [sys.executable, "-m", "tests.support.smtp_server", str(folder), security]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            assert process.stdout is not None
            word, _, port = process.stdout.readline().partition(" ")
            assert word == "ready"
            yield SmtpServer(folder, f"127.0.0.1:{int(port)}", process)
        finally:
            process.send_signal(signal.SIGKILL)


class _Scripted(socketserver.StreamRequestHandler):
    """Takes one whole mail, and then says what its server was told to."""

    timeout = 30

    def handle(self) -> None:
        self.wfile.write(b"220 mail.test\r\n")
        for line in iter(self.rfile.readline, b""):
            if line.upper().startswith(b"DATA"):
                self.wfile.write(b"354 go\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.wfile.write(self.server.said)  # type: ignore[attr-defined]  # set below
                return
            self.wfile.write(b"250 OK\r\n")


@contextmanager
def saying_at_the_end(said: bytes) -> Iterator[str]:
    """The address of a server that says this after the final dot, as octets, and hangs up."""
    with socketserver.TCPServer(("127.0.0.1", 0), _Scripted) as server:
        server.said = said  # type: ignore[attr-defined]  # for its handler
        with in_thread(server.serve_forever, server.shutdown):
            yield f"127.0.0.1:{server.server_address[1]}"


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
