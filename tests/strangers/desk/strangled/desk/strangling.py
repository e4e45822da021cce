from types import SimpleNamespace

from strangler import Call
from strangler.flask import Strangled

strangled = Strangled("booking")
mailing = {"observe": lambda _, message: [Call("mail", "send", message)]}


def payload(booking):
    return lambda: {**booking.to_dict(), "email": booking.email}


def for_stored(step):
    return lambda _, stored, key: step().__wrapped__(SimpleNamespace(**stored), key)
