import os

import requests
from shop.strangling import asked, strangled


class Refused(Exception):
    """The customer is told why."""


@strangled.awaited("payment", tells=("PaymentTaken", "PaymentRefused"), refusals=(Refused,), **asked)
def charge(order, key):
    body = {"email": order.email, "cents": order.cents}
    answer = requests.post(
        os.environ["OUTSIDE_URL"] + "/charges", json=body, headers={"Idempotency-Key": key}, timeout=10
    )
    if answer.status_code == 402:
        raise Refused(answer.json()["error"])
    answer.raise_for_status()
    return {"charge_id": answer.json()["charge_id"]}


@strangled.after("payment")
def settle(order, outcome):
    order.charge_id = outcome["charge_id"]
    order.status = "paid"
    receipt(order)


@strangled.refused("payment", status=402)
def decline(order, outcome):
    order.status = "refused"
    return Refused(outcome["reason"])


def receipt(order):
    order.receipt = f"R-{order.id:05d}"
