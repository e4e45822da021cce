"""A vendor's final no: the customer hears it at once. As found it looked like a failure, to be tried again for ever."""

from __future__ import annotations

import requests

from legacy_app.rejected import Rejected


def check(response: requests.Response) -> None:
    """402 rejects the order."""
    if response.status_code == 402:
        raise Rejected(402, "the payment was declined; try another card")
