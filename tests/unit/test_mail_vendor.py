"""The mail client understands every answer, over real HTTP."""

import pytest

from strangler import HttpVendor
from strangler.step.vendor import AnswerKind
from tests.support.mail_server import mail_server
from tests.support.services import vendors_at


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (202, AnswerKind.DONE),
        (400, AnswerKind.REFUSED),
        (422, AnswerKind.REFUSED),
        (408, AnswerKind.UNKNOWN),
        (409, AnswerKind.UNKNOWN),
        (429, AnswerKind.UNKNOWN),
        (500, AnswerKind.UNKNOWN),
        (503, AnswerKind.UNKNOWN),
    ],
)
def test_a_status_is_an_answer(status: int, kind: AnswerKind) -> None:
    with mail_server() as server:
        server.answers = [status]
        answer = vendors_at(server.url, "notification", timeout_s=20)["mail"].send(
            "o:notification:100", "send", {"to": "a"}
        )
        assert (answer.kind, answer.detail) == (kind, {"status": status})
        assert server.asked == {"o:notification:100": 1}


def test_a_vendor_that_is_not_there_says_nothing() -> None:
    with mail_server() as server:
        url = server.url
    assert vendors_at(url, "notification", timeout_s=0.5)["mail"].send("k", "send", {}).kind is AnswerKind.UNKNOWN


def test_a_vendor_without_keys_that_is_not_there_was_sent_nothing() -> None:
    with mail_server() as server:
        url = server.url
    once = HttpVendor("MAIL_URL", send="POST /mail/messages", key_lifetime_s=0, timeout_s=20)
    assert once.at({"MAIL_URL": url}).send("k", "send", {}).kind is AnswerKind.NOT_SENT


def test_a_vendor_without_keys_and_look_up_cannot_tell() -> None:
    with mail_server() as server:
        server.answers = [-503]
        once = HttpVendor("MAIL_URL", send="POST /mail/messages", key_lifetime_s=0, timeout_s=20)
        vendor = once.at({"MAIL_URL": server.url})
        assert vendor.send("k", "send", {}).kind is AnswerKind.UNKNOWN
        assert vendor.look_up("k", "send").kind is AnswerKind.UNSETTLED
        assert not server.looked_up


def test_an_operation_that_the_vendor_lacks_is_refused_without_asking() -> None:
    with mail_server() as server:
        assert vendors_at(server.url, "notification")["mail"].send("k", "recall", {}).kind is AnswerKind.REFUSED
        assert not server.asked


def test_a_look_up_finds_what_was_accepted_and_only_that() -> None:
    with mail_server() as server:
        vendor = vendors_at(server.url, "notification", timeout_s=20)["mail"]
        vendor.send("o:notification:100", "send", {})
        assert vendor.look_up("o:notification:100", "send").kind is AnswerKind.DONE
        assert vendor.look_up("o:notification:200", "send").kind is AnswerKind.ABSENT
        assert server.asked == {"o:notification:100": 1}
