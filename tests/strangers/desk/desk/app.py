import os

from flask import Flask, abort, jsonify, request, session

from desk.mail import send_change, send_confirmation
from desk.models import Booking, db

PRICE_CENTS = 2450
OPEN = ("/login", "/healthz")


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    app.config["SQLALCHEMY_TRACK_MODIFICATIONS"] = False
    app.secret_key = os.environ.get("SECRET_KEY", "desk")
    db.init_app(app)

    app.before_request(login_required)
    app.add_url_rule("/login", view_func=login, methods=["POST"])
    app.add_url_rule("/healthz", view_func=healthz)

    @app.post("/checkout")
    def checkout():
        form = request.get_json() if request.is_json else request.form
        if Booking.query.filter_by(desk=form["desk"], day=form["day"], status="booked").first():
            return jsonify(error="this desk is taken"), 409
        booking = Booking(email=form["email"], desk=form["desk"], day=form["day"], total_cents=PRICE_CENTS)
        booking.status = "booked"
        db.session.add(booking)
        db.session.commit()
        send_confirmation(booking)
        return jsonify(booking.to_dict()), 201

    @app.get("/bookings/<int:booking_id>")
    def show(booking_id):
        return jsonify(_found(booking_id).to_dict())

    @app.patch("/bookings/<int:booking_id>")
    def move(booking_id):
        booking = _found(booking_id)
        booking.day = request.get_json()["day"]
        booking.status = "moved"
        db.session.commit()
        send_change(booking)
        return jsonify(booking.to_dict())

    @app.post("/bookings/<int:booking_id>/cancel")
    def cancel(booking_id):
        booking = _found(booking_id)
        booking.status = "cancelled"
        db.session.commit()
        send_change(booking)
        return jsonify(booking.to_dict())

    return app


def login_required():
    if request.path not in OPEN and "user" not in session:
        abort(401)


def login():
    session["user"] = request.form["user"]
    return jsonify(user=session["user"])


def healthz():
    return jsonify(status="ok")


def _found(booking_id):
    booking = db.session.get(Booking, booking_id) if hasattr(db.session, "get") else Booking.query.get(booking_id)
    if booking is None:
        abort(404)
    return booking
