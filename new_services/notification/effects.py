"""The mail vendor."""

from __future__ import annotations

from new_services.http_vendor import DAY_S, Desk, HttpVendor

DESK = Desk("mail", "send", "/mail/messages")


class MailVendor(HttpVendor):
    """Sends mails by HTTP and looks them up."""

    def __init__(self, url: str, *, timeout_s: float = 5.0, key_lifetime_s: float = DAY_S) -> None:
        super().__init__(url, DESK, timeout_s=timeout_s, key_lifetime_s=key_lifetime_s)
