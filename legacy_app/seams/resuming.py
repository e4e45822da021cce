"""The monolith as its resumer runs it: by several threads, none of which waits for a vendor without end."""

from __future__ import annotations

import os
from typing import Any

import psycopg
import requests
from flask import Flask
from psycopg.conninfo import make_conninfo
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from legacy_app.monolith.app import create_app
from legacy_app.monolith.models import Order
from legacy_app.monolith.vendor_client import Vendors
from legacy_app.seams.strangling import strangled, use
from strangler.errors import BadInput

THREADS = 4  # of the resumer: each has a connection in hand while a vendor hangs
VENDOR_TIMEOUT_S = (3.0, 15.0)  # connect, read: the monolith's own client would wait for ever
LIMITS = "-c lock_timeout=10s -c statement_timeout=30s -c idle_in_transaction_session_timeout=30s"


class PatientVendors(Vendors):
    """The monolith's client, which gives up on a hung vendor; threads share no connection."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._session = _Bounded()


class _Bounded(requests.Session):
    def post(self, *args: Any, **given: Any) -> requests.Response:
        with requests.Session() as session:
            session.hooks = self.hooks
            return session.post(*args, **{"timeout": VENDOR_TIMEOUT_S, **given})


def create_resumed() -> Flask:
    """From STRANGLER_DSN and VENDORS_URL; `BadInput` where one is missing."""
    missing = [name for name in ("STRANGLER_DSN", "VENDORS_URL") if not os.environ.get(name)]
    if missing:
        raise BadInput(f"not set: {', '.join(missing)}; `strangler up` prints it")
    dsn, url = os.environ["STRANGLER_DSN"], os.environ["VENDORS_URL"]
    bounded = make_conninfo(dsn, options=LIMITS, connect_timeout=10, application_name="resume")
    app = create_app(bounded, url)
    use(app, PatientVendors(url))
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(bounded), pool_size=THREADS)
    strangled.resumes(sessionmaker(engine, expire_on_commit=False), Order)
    return app
