import os

import requests


class Refused(Exception):
    """The customer is told why."""


def charge(order):
    body = {"email": order.email, "cents": order.cents}
    answer = requests.post(os.environ["OUTSIDE_URL"] + "/charges", json=body, timeout=10)
    if answer.status_code == 402:
        raise Refused(answer.json()["error"])
    answer.raise_for_status()
    order.charge_id = answer.json()["charge_id"]


def receipt(order):
    order.receipt = f"R-{order.id:05d}"
