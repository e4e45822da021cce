"""Desks are booked, and a mail is sent for each: an application of Flask and SQLAlchemy with one step strangled."""

import os
from typing import Any

import requests
from flask import Flask, Response, jsonify, request
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker

from strangler import Call
from strangler.flask import Strangled

strangled = Strangled("booking")
sessions = scoped_session(sessionmaker())


class Table(DeclarativeBase):
    pass


class Booking(Table):
    __tablename__ = "bookings"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    day: Mapped[str]
    subject_ref: Mapped[str | None] = mapped_column(unique=True)  # these three are strangling's
    version: Mapped[int] = mapped_column(default=0)
    ownership: Mapped[str] = mapped_column(default="")

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "email": self.email, "day": self.day}


@strangled.step("mail", on=("BookingMade",), observe=lambda _booking, message: [Call("mail", "send", message)])
def send_mail(booking: Booking, key: str = "") -> dict[str, str]:  # the vendor's key, the same from either side
    message = {"to": booking.email, "subject": f"Your desk on {booking.day}"}
    url, headers = os.environ["MAIL_URL"] + "/messages", {"Idempotency-Key": key}
    requests.post(url, json=message, headers=headers, timeout=10).raise_for_status()
    return message


def create_app() -> Flask:
    app = Flask(__name__)
    sessions.configure(bind=create_engine(os.environ["DATABASE_URL"]))
    strangled.init_app(app, sessions, Booking)  # look-up, hand-back and status, and the end of each request

    @app.post("/checkout")
    def checkout() -> tuple[Response, int]:
        booking = Booking(email=request.json["email"], day=request.json["day"])
        sessions.add(booking)
        strangled.created(booking, "BookingMade", booking.to_dict)  # reference, owners, version 1, and its event
        sessions.commit()
        send_mail(booking)  # is called, is called and watched, or is left to the new side: as the owner says
        return jsonify(booking.to_dict()), 201

    app.add_url_rule("/healthz", view_func=lambda: jsonify(status="ok"))
    app.teardown_appcontext(lambda _: sessions.remove())
    return app
