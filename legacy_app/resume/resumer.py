"""The resumer, declared: the outcomes that it stores, and the runner that goes on with the orders that have them."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import sessionmaker

from legacy_app.order_events import OUTCOMES
from legacy_app.pausing import MIDDLE
from legacy_app.rest import Rest
from legacy_app.resume.vendors import PerThread
from strangler.continuation.outcomes import StoreOutcomes
from strangler.continuation.runner import Runner, RunnerSettings
from strangler.errors import BadInput
from strangler.service import Resumer, RunSettings

LIMITS = "-c lock_timeout=10s -c statement_timeout=30s -c idle_in_transaction_session_timeout=30s"


def runner_of(settings: RunSettings) -> Runner:
    """`BadInput` where nobody says where the vendors are."""
    vendors_url = settings.environ.get("VENDORS_URL")
    if not vendors_url:
        raise BadInput("not set: VENDORS_URL; `strangler up` prints it")
    chosen = RunnerSettings()
    sessions = sessionmaker(_engine(settings.dsn, chosen.threads), expire_on_commit=False)
    rest, each = Rest(sessions, settings.fault_points), PerThread(vendors_url)
    return Runner(
        connect=lambda: settings.connect("resume", autocommit=True),
        rest=lambda order_ref: rest.run(each.vendors(), order_ref, wait_s=0.0),
        settings=chosen,
    )


def _engine(dsn: str, connections: int) -> Engine:
    url = dsn.replace("postgresql://", "postgresql+psycopg://", 1)
    options = {"options": LIMITS, "connect_timeout": 10, "application_name": "resume"}
    return create_engine(url, pool_size=connections, max_overflow=0, pool_pre_ping=True, connect_args=options)


resume = Resumer("resume", MIDDLE, handler=partial(StoreOutcomes, OUTCOMES), worker=runner_of, group="legacy")
