import os

import requests
from desk.strangling import for_stored, mailing, strangled


@strangled.step("mail", on=("BookingMade",), redo=for_stored(lambda: send_confirmation), **mailing)
def send_confirmation(booking, key):
    return _send(key, booking.email, f"Your desk {booking.desk} on {booking.day}", _text(booking))


@strangled.step("mail", on=("BookingMoved", "BookingCancelled"), redo=for_stored(lambda: send_change), **mailing)
def send_change(booking, key):
    return _send(key, booking.email, f"Booking {booking.id} is now {booking.status}", _text(booking))


def _send(key, to, subject, text):
    message = {"to": to, "subject": subject, "text": text}
    url, headers = os.environ["OUTSIDE_URL"] + "/messages", {"Idempotency-Key": key}
    requests.post(url, json=message, headers=headers, timeout=10).raise_for_status()
    return message


def _text(booking):
    return f"Booking {booking.id}: {booking.status}, {booking.total_cents / 100:.2f} EUR"
