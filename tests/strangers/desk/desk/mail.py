import os

import requests


def send_confirmation(booking):
    return _send(booking.email, f"Your desk {booking.desk} on {booking.day}", _text(booking))


def send_change(booking):
    return _send(booking.email, f"Booking {booking.id} is now {booking.status}", _text(booking))


def _send(to, subject, text):
    message = {"to": to, "subject": subject, "text": text}
    requests.post(os.environ["OUTSIDE_URL"] + "/messages", json=message, timeout=10).raise_for_status()
    return message


def _text(booking):
    return f"Booking {booking.id}: {booking.status}, {booking.total_cents / 100:.2f} EUR"
