"""The applications as they are found: what strangling them must not change."""

from __future__ import annotations

import socket

import pytest

from strangler.local.stack import Stack
from tests.strangers.running import running

pytestmark = pytest.mark.no_kafka
DESK = {"email": "ann@example.invalid", "desk": "window", "day": "2011-06-01"}


def test_the_desk_asks_for_a_login_commits_and_then_mails(stack: Stack) -> None:
    with running(stack, "desk") as desk:
        assert desk.send("POST", "/checkout", json=DESK).status_code == 401

        desk.send("POST", "/login", data={"user": "ann"})
        booked = desk.send("POST", "/checkout", data=DESK)
        taken = desk.send("POST", "/checkout", json=DESK)
        path = f"/bookings/{booked.json()['id']}"
        moved = desk.send("PATCH", path, json={"day": "2011-06-02"})
        desk.turn(fail=503)
        failed = desk.send("POST", f"{path}/cancel")

        assert [one.status_code for one in (booked, taken, moved, failed)] == [201, 409, 200, 500]
        assert desk.send("GET", path).json()["status"] == "cancelled", "committed before the mail failed"
        assert [entry["body"]["subject"] for entry in desk.ledger("messages")] == [
            "Your desk window on 2011-06-01",
            "Booking 1 is now moved",
        ]


def test_the_shop_charges_and_then_commits(stack: Stack) -> None:
    with running(stack, "shop") as shop:
        paid = shop.send("POST", "/orders", json={"email": "ann@example.invalid", "cents": 500})
        declined = shop.send("POST", "/orders", json={"email": "ann@example.invalid", "cents": 500_000})
        shop.turn(fail=503)
        failed = shop.send("POST", "/orders", json={"email": "ann@example.invalid", "cents": 500})

        assert [one.status_code for one in (paid, declined, failed)] == [201, 402, 500]
        assert paid.json()["charge_id"] == "ch_1"
        assert paid.json()["receipt"] == "R-00001"
        assert shop.send("GET", "/orders/2").status_code == 404, "rolled back"
        assert len(shop.ledger("charges")) == 1


def test_the_world_outside_does_nothing_for_half_a_request(stack: Stack) -> None:
    with running(stack, "shop") as shop:
        host, port = shop.outside_url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as half:
            half.sendall(b"POST /charges HTTP/1.1\r\nIdempotency-Key: k\r\nContent-Length: 9\r\n\r\n")
            half.shutdown(socket.SHUT_WR)
            assert half.recv(100) == b""
        assert shop.ledger("charges") == []
