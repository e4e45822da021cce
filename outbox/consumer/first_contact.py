"""A member meets its broker: at its start as later, one that is away is waited for, and that is said."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack

from outbox.consumer.report import Report
from outbox.consumer.settings import Observe
from outbox.errors import DependencyDown
from outbox.kafka.port import Admin, GroupMember

REST_S = 0.5


def first_contact(
    make_admin: Callable[[], Admin],
    make_consumer: Callable[[], GroupMember],
    *,
    stopping: threading.Event,
    observe: Observe,
) -> tuple[Admin, GroupMember] | None:
    """Both clients once Kafka answers, without an end to the waiting; None when `stopping` came first.

    Each try is counted as `consumer_unreachable` and logged. What is no outage, such as a password that is refused,
    is raised.
    """
    report = Report(observe)
    while not stopping.is_set():
        try:
            with ExitStack() as made:
                admin = make_admin()
                made.callback(admin.close)
                consumer = make_consumer()
                made.pop_all()
                return admin, consumer
        except DependencyDown as error:
            report.unreachable(error)
            stopping.wait(REST_S)
    return None
