"""Mail as a vendor's operation: its address, its messages, and what each answer of a real server means."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest

from strangler import SmtpVendor, Vendor
from strangler.errors import BadInput
from strangler.service.smtp_client import message_id
from strangler.service.smtp_vendor import SmtpServer, server_of
from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind
from tests.support import smtp_server as support
from tests.support.smtp_server import PASSWORD, USER, saying_at_the_end, smtp_server

SENDER = "shop@shop.test"
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[support.SmtpServer]:
    with smtp_server(tmp_path_factory.mktemp("smtp")) as running:
        yield running


def mail(to: Json, **more: Json) -> dict[str, Json]:
    return {"to": to, "subject": "Käse", "text": "one\n.\n..two", **more}


def vendor(url: str, *, timeout_s: float = 20) -> Vendor:
    return SmtpVendor("SMTP_URL", sender=SENDER, timeout_s=timeout_s).at({"SMTP_URL": url})


def send(url: str, to: Json, key: str = "k", *, timeout_s: float = 20, **more: Json) -> Answer:
    return vendor(url, timeout_s=timeout_s).send(key, "send", mail(to, **more))


def test_a_mail_arrives_whole_and_named_after_its_key(server: support.SmtpServer) -> None:
    before = len(server.mails)
    url = f"smtp://{server.address}"
    answer = send(url, "Ann <ann@a.test>", "o:1", cc=["b@a.test"], bcc="c@a.test", html="<p>")
    assert answer == Answer(AnswerKind.DONE, {"status": 250})
    (got,) = server.mails[before:]
    assert (got["From"], got["To"], got["Message-ID"]) == (SENDER, "Ann <ann@a.test>", message_id("o:1", SENDER))
    assert (got["Bcc"], got["X-Envelope"]) == (None, "ann@a.test b@a.test c@a.test")
    assert got["Date"]
    parts = {part.get_content_type(): part.get_payload(decode=True) for part in got.walk() if not part.is_multipart()}
    assert parts == {"text/plain": b"one\r\n.\r\n..two\r\n", "text/html": b"<p>\r\n"}


@pytest.mark.parametrize(
    ("to", "kind", "said"),
    [
        ("unknown@a.test", AnswerKind.REFUSED, 550),
        (["ann@a.test", "unknown@a.test"], AnswerKind.REFUSED, 550),
        ("spam@a.test", AnswerKind.REFUSED, 554),
        ("full@a.test", AnswerKind.NOT_SENT, 452),
        ("busy@a.test", AnswerKind.NOT_SENT, 451),
    ],
)
def test_a_no_is_for_good_or_for_now_and_nothing_was_taken(
    server: support.SmtpServer, to: Json, kind: AnswerKind, said: int
) -> None:
    before = len(server.mails)
    answer = send(f"smtp://{server.address}", to)
    assert (answer.kind, answer.detail["status"]) == (kind, said)
    assert len(server.mails) == before


@pytest.mark.parametrize(("to", "timeout_s"), [("hang-up@a.test", 20), ("silent@a.test", 1)])
def test_a_message_without_an_answer_is_unsettled(server: support.SmtpServer, to: str, timeout_s: float) -> None:
    before = len(server.mails)
    answer = send(f"smtp://{server.address}", to, timeout_s=timeout_s)
    assert answer.kind is AnswerKind.UNSETTLED
    assert len(server.mails) == before + 1
    assert vendor(f"smtp://{server.address}").look_up("k", "send").kind is AnswerKind.UNSETTLED


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        *(
            (line, AnswerKind.UNSETTLED)
            for line in (b"", b"\r\n", b"?? what\r\n", b"25", b"150 wait\r\n", b"354 go on\r\n")
        ),
        *((line, AnswerKind.UNSETTLED) for line in (b"999 odd\r\n", b"250-" + b"x" * 9000 + b"\r\n", b"451-half\r\n")),
        (b"451 later\r\n", AnswerKind.NOT_SENT),
        (b"554 no\r\n", AnswerKind.REFUSED),
        (b"250 OK\r\n", AnswerKind.DONE),
    ],
)
def test_after_the_final_dot_only_a_readable_no_says_that_the_mail_was_not_taken(said: bytes, kind: AnswerKind) -> None:
    with saying_at_the_end(said) as address:
        assert send(f"smtp://{address}", "ann@a.test").kind is kind


def test_a_host_that_cannot_be_named_was_sent_nothing() -> None:
    assert send("smtp://mail..test", "ann@a.test").kind is AnswerKind.NOT_SENT


@pytest.mark.parametrize("login", ["shop:p%C3%A4ss", "sh%C3%B6p:pass"])
def test_a_login_that_smtp_cannot_carry_is_refused_at_the_start_without_being_shown(login: str) -> None:
    with pytest.raises(BadInput, match="SMTP_URL has a user or password outside ASCII") as refused:
        vendor(f"smtps://{login}@mail.test")
    assert not any(part in str(refused.value) for part in ("p%C3", "päss", "shöp", "mail.test"))


def test_a_server_that_is_not_there_was_sent_nothing() -> None:
    assert send("smtp://127.0.0.1:1", "ann@a.test") == Answer(AnswerKind.NOT_SENT, {"reason": "ConnectionRefusedError"})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"to": "ann@a.test\nBcc: all@a.test", "subject": "s", "text": "t"}, "to has a line break"),
        ({"to": ["ann@a.test\r"], "subject": "s", "text": "t"}, "to has a line break"),
        ({"to": "ann@a.test", "subject": "s\r\nX: y", "text": "t"}, "subject has a line break"),
        ({"to": "ann@a.test", "subject": "s\n", "text": "t"}, "subject has a line break"),
        ({"to": "ännchen@a.test", "subject": "s", "text": "t"}, "not printable ASCII"),
        ({"to": "nobody", "subject": "s", "text": "t"}, "to is not exactly one address"),
        ({"to": "v@a.test, e@b.test", "subject": "s", "text": "t"}, "to is not exactly one address"),
        ({"to": "v@a.test;e@b.test", "subject": "s", "text": "t"}, "to is not exactly one address"),
        ({"to": ["v@a.test, e@b.test"], "subject": "s", "text": "t"}, "to is not exactly one address"),
        ({"to": "all: v@a.test;", "subject": "s", "text": "t"}, "to is not exactly one address"),
        ({"to": "v@a.test", "bcc": "v@a.test, e@b.test", "text": "t"}, "bcc is not exactly one address"),
        ({"subject": "s", "text": "t"}, "needs a recipient"),
        ({"to": "ann@a.test", "subject": "s"}, "needs a recipient and a text"),
    ],
)
def test_a_mail_that_cannot_be_made_is_for_a_person_and_is_not_sent(
    server: support.SmtpServer, body: dict[str, Json], why: str
) -> None:
    before = len(server.mails)
    answer = vendor(f"smtp://{server.address}").send("k", "send", body)
    assert answer.kind is AnswerKind.UNSETTLED
    assert "nothing was sent" in str(answer.detail["reason"])
    assert why in str(answer.detail["reason"])
    assert len(server.mails) == before


def test_a_function_may_make_the_message(server: support.SmtpServer) -> None:
    def make(body: object) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"] = "own@shop.test", "ann@a.test"
        message["Subject"] = str(body)
        message.add_attachment(b"\x00", maintype="application", subtype="pdf")
        return message

    own = SmtpVendor("SMTP_URL", sender=SENDER, message=make).at({"SMTP_URL": f"smtp://{server.address}"})
    assert own.send("own", "send", {"n": 1}).kind is AnswerKind.DONE
    assert (server.mails[-1]["From"], server.mails[-1]["Subject"]) == ("own@shop.test", "{'n': 1}")


@pytest.mark.parametrize("security", ["smtp+starttls", "smtps"])
def test_a_secured_server_is_verified_and_logged_in_to(tmp_path: Path, security: str) -> None:
    with smtp_server(tmp_path / "smtp", security) as server:
        ca = f"?ca={quote(str(server.folder / 'server.crt'))}"
        assert send(f"{security}://{LOGIN}{server.address}{ca}", "ann@a.test").kind is AnswerKind.DONE
        for url, said in (
            (f"{security}://{LOGIN}{server.address}", "SSLCertVerificationError"),
            (f"{security}://{USER}:wrong@{server.address}{ca}", "SMTPAuthenticationError"),
            (f"{security}://{server.address}{ca}", "MAIL was answered 530"),
        ):
            answer = send(url, "ann@a.test")
            assert (answer.kind is AnswerKind.DONE, answer.detail["reason"]) == (False, said)
        assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost", SmtpServer("smtp", "localhost", 25)),
        ("smtp://u:p%2F%40@localhost:2525/", SmtpServer("smtp", "localhost", 2525, "u", "p/@")),
        ("smtp+starttls://u:p@mail.test?ca=/a/b", SmtpServer("smtp+starttls", "mail.test", 587, "u", "p", "/a/b")),
        ("smtps://mail.test", SmtpServer("smtps", "mail.test", 465)),
    ],
)
def test_an_address_says_where_how_and_as_whom(url: str, server: SmtpServer) -> None:
    assert server_of(url, "SMTP_URL") == server


@pytest.mark.parametrize(
    "url",
    [
        *("mail.test", "http://mail.test", "smtp://", "smtp://mail.test:port", "smtp://mail.test/inbox"),
        *("smtps://mail.test?verify=no", "smtp://u:hunter2@mail.test", "smtps://[::1"),
    ],
)
def test_an_address_of_no_use_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(BadInput, match="SMTP_URL") as refused:
        vendor(url)
    assert "hunter2" not in str(refused.value)


def test_a_declaration_that_cannot_be_is_refused() -> None:
    with pytest.raises(BadInput, match="maps attachment; it can map to, cc"):
        SmtpVendor("SMTP_URL", sender=SENDER, message={"attachment": "pdf"})
    with pytest.raises(BadInput, match="give an address"):
        SmtpVendor("SMTP_URL", sender="shop")
    with pytest.raises(BadInput, match="give an address"):
        SmtpVendor("SMTP_URL", sender="a@a.test, b@b.test")
    with pytest.raises(BadInput, match="not set: SMTP_URL"):
        SmtpVendor("SMTP_URL", sender=SENDER).at({})
