"""What `strangler run` asks of the database before it starts, and what it brings up to date."""

from __future__ import annotations

import psycopg
import pytest

from new_services.search.service import search
from outbox import migrate
from outbox.consumer import RuntimeSettings
from outbox.errors import ConfigurationError
from strangler import migrate as migrate_plan
from strangler.errors import RefusedError
from strangler.service.runner import Consuming, require_tables
from strangler.service.serving import consuming_of
from strangler.service.settings import RunSettings

pytestmark = pytest.mark.no_kafka


def consuming(dsn: str) -> Consuming:
    settings = RunSettings.from_environ({"STRANGLER_DSN": dsn, "KAFKA_BOOTSTRAP": "127.0.0.1:9"})
    return consuming_of(search, settings, RuntimeSettings(), "order")


def test_a_service_runs_on_the_tables_of_the_next_release_and_only_migrate_refuses_them(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        migrate_plan(connection, search)
        connection.execute("UPDATE search.consumer_version SET version_num = 'consumer_0999'")
        connection.execute("UPDATE search.context_version SET version_num = 'context_0999'")
        require_tables(connection, consuming(empty))
        with pytest.raises(ConfigurationError, match="is at 'consumer_0999'"):
            migrate(connection, "consumer", "search")


def test_a_service_is_refused_where_its_tables_are_behind_or_of_nobody(empty: str) -> None:
    with psycopg.connect(empty) as connection:
        migrate(connection, "consumer", "search")
        with pytest.raises(RefusedError, match=r"behind: context \(1 revisions\); run `strangler migrate` first"):
            require_tables(connection, consuming(empty))
        connection.execute("UPDATE search.consumer_version SET version_num = 'abc'")
        with pytest.raises(ConfigurationError, match="is at 'abc'"):
            require_tables(connection, consuming(empty))
