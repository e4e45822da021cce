"""`outbox.Consumer` as a program starts it, without a plan: what it refuses, and late work that is compensated."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from outbox import Consumer, PsycopgConnection, ReceivedEvent
from outbox.errors import ConfigurationError


def nothing(_connection: PsycopgConnection, _received: Sequence[ReceivedEvent]) -> None:
    """A handler."""


@pytest.mark.timeout(30)
def test_a_consumer_without_its_tables_ends_with_what_makes_them(
    database: str, bootstrap: str, topic_prefix: str
) -> None:
    consumer = Consumer(
        topics=["late"], group="alone", handler=nothing, dsn=database, bootstrap=bootstrap, prefix=topic_prefix
    )

    with pytest.raises(ConfigurationError, match=r"schema 'alone' has no tables .*call migrate\(\)"):
        consumer.run()
