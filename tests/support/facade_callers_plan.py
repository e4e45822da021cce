"""A plan for the facade whose routes identify their callers in every way that a plan can."""

import os
from collections.abc import Mapping
from urllib.request import urlopen

from strangler.plan import Plan, Route, Step, Subject
from tests.support.facade_plan import no_orders


def account(headers: Mapping[str, str]) -> str | None:
    """The account of a token, as a team's own function would find it out."""
    token = headers.get("authorization", "")
    if token == "Bearer broken":
        raise ValueError(token)
    return token.removeprefix("Bearer ").partition(".")[0] or None


def asked(_headers: Mapping[str, str]) -> str | None:
    """Who another service says it is. It may take its time."""
    with urlopen(os.environ["LEGACY_URL"] + "/who", timeout=60) as said:
        return str(said.read(), "ascii")


plan = Plan(
    name="callers",
    subject=Subject("order", read=no_orders, path="/orders/{ref}", caller=("header:X-Api-Key", "cookie:session")),
    steps=(Step("payment"),),
    routes=(
        Route("POST /orders", creates="order"),
        Route("POST /orders/{ref}/cancellations"),
        Route("POST /guests/orders", creates="order", caller=["cookie:session", "anonymous"]),
        Route("POST /accounts/orders", creates="order", caller=account),
        Route("POST /asked/orders", creates="order", caller=asked),
    ),
)
