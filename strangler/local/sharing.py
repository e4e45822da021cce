"""A broker that other installations use too: are the plan's topics free of their events?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from outbox.connection import connect
from outbox.installation import Installation, sources_in
from outbox.kafka.foreign import foreign_sources
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_reader import PythonReader
from outbox.kafka_settings import KafkaSettings
from outbox.settings import topic_partitions_of
from strangler.plan import Plan


def topics_of(plan: Plan, environ: Mapping[str, str]) -> dict[str, int]:
    """The plan's topics, and all that its contexts read, as they are called at the broker, with their partitions."""
    prefix = environ.get("OUTBOX_TOPIC_PREFIX", "outbox.event.")
    contexts = (*plan.contexts().values(), *plan.resumer_context().values())
    read = dict.fromkeys([name for context in contexts for name in context.topics], topic_partitions_of(environ))
    return {prefix + name: count for name, count in (read | dict(plan.topics)).items()}


def foreign_topics(dsn: str, topics: Mapping[str, int], environ: Mapping[str, str]) -> dict[str, str]:
    """Those that hold events of another installation, with its source; a topic that is not there holds none.

    Raises `DependencyDown` without Kafka, `psycopg.OperationalError` without the database.
    """
    kafka = KafkaSettings.from_environ(environ)
    with connect(dsn) as connection:
        ours = Installation.of(connection, sources_in(environ)).sources
    with closing(PythonAdmin(kafka)) as admin:
        there = {name: state.partitions for name, state in admin.describe(topics).items()}
    if not there:
        return {}
    with closing(PythonReader(kafka)) as reader:
        return foreign_sources(reader, there, ours)
