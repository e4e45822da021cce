import os

from strangler import Call
from strangler.flask import Strangled

strangled = Strangled("order", wait_s=float(os.environ.get("WAIT_S", "0.1")))
asked = {"observe": lambda order, _: [Call("bank", "charge", {"email": order.email, "cents": order.cents})]}
