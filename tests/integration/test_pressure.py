"""`strangler pressure` on real parts: what waits is counted, aged and named; what is done is not."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import LiteralString, Never

import psycopg
import pytest

from outbox.consumer import lane_of
from outbox.consumer.partitions.standing import StandingCause
from outbox.event import Event
from outbox.kafka.codec import to_headers
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_producer import PythonProducer
from strangler.cli import main
from strangler.contexts import Context
from strangler.plan import Check, Plan, Route, Step, Subject
from strangler.pressure.read import PressureReader, read_pressure
from strangler.service.resumer import Resumer

LANES = 3
SEARCH = Step(
    "search",
    Context("search", "search", ("order",)),
    Check(identity=str, stateful=True, expected=lambda _: (), actual=lambda _: ()),
    waiting="documents wait to be indexed",
)
PLAN = Plan(
    name="one step",
    subject=Subject("order", read=lambda _: (), caller="anonymous"),
    steps=(SEARCH,),
    routes=(Route("POST /orders", creates="order"),),
    facets=lambda event: [("sku", event.payload.decode())],
)


class Shop:
    """A topic, and positions written by hand."""

    def __init__(self, dsn: str, bootstrap: str, prefix: str) -> None:
        self.dsn, self.bootstrap, self.topic, self.group = dsn, bootstrap, prefix + "order", prefix + "search"
        self.environ = {
            "STRANGLER_DSN": dsn,
            "KAFKA_BOOTSTRAP": bootstrap,
            "OUTBOX_TOPIC_PREFIX": prefix,
            "OUTBOX_GROUP_PREFIX": prefix,
        }
        with closing(PythonAdmin(bootstrap)) as admin:
            admin.ensure_topics({self.topic: 1})
            self.incarnation = admin.describe([self.topic])[self.topic].incarnation

    def order(self, *keys: str, tenant: str = "shop", sku: str = "85123A") -> None:
        producer = PythonProducer(self.bootstrap)
        for key in keys:
            event = Event("order", key, 1, "OrderPlaced", sku.encode(), {"tenant": tenant})
            producer.send(self.topic, key.encode(), event.payload, to_headers(event, None))
        producer.flush(10)
        producer.close(10)

    def stand(self, *offsets: int, schema: LiteralString = "search", group: str = "search") -> None:
        """The lanes' next offsets."""
        with psycopg.connect(self.dsn) as connection:
            connection.execute(f"DELETE FROM {schema}.position")
            for lane, offset in enumerate(offsets):
                connection.execute(
                    f"INSERT INTO {schema}.position (group_name, topic, partition, lane, lanes, incarnation,"
                    " next_offset, fence) VALUES (%s, %s, 0, %s, %s, %s, %s, 1)",
                    (
                        self.environ["OUTBOX_GROUP_PREFIX"] + group,
                        self.topic,
                        lane,
                        len(offsets),
                        self.incarnation,
                        offset,
                    ),
                )


@pytest.fixture
def shop(database: str, bootstrap: str, topic_prefix: str) -> Shop:
    return Shop(database, bootstrap, topic_prefix)


def test_what_waits_is_counted_aged_and_named_and_what_is_done_is_not(shop: Shop) -> None:
    keys = [f"order-{number}" for number in range(60)]
    shop.order(*keys[:30], tenant="merchant-7", sku="hot")
    for key in keys[30:]:
        shop.order(key, tenant=f"tenant-{key}", sku=key)
    shop.stand(0, 0, 60)  # one of three lanes has passed all

    found = read_pressure(PLAN, shop.environ, window_s=0.05, promise_of=lambda _: 3600)[0]

    waiting = [key for key in keys if lane_of(key.encode(), LANES) != 2]
    assert found.backlog == 40
    assert 0 < found.oldest_s < 60
    assert found.breach_s is not None
    assert 3500 < found.breach_s <= 3600
    assert {(each.kind, each.name) for each in found.hot} == {("tenant", "merchant-7"), ("sku", "hot")}
    assert found.hot[0].events == sum(key in keys[:30] for key in waiting)
    assert found.sentence.startswith("40 documents wait to be indexed, oldest ")


def test_a_context_that_has_caught_up_is_at_rest(shop: Shop) -> None:
    shop.order("a", "b")
    shop.stand(2, 2)

    found = read_pressure(PLAN, shop.environ, window_s=0.05)[0]

    assert (found.backlog, found.oldest_s, found.hot) == (0, 0.0, ())
    assert found.sentence == "no documents wait to be indexed"


def test_a_second_read_goes_on_from_the_look_that_ended_the_first(shop: Shop) -> None:
    shop.order("a", "b")
    shop.stand(0, 0)
    with closing(PressureReader(PLAN, shop.environ)) as reader:
        assert [each.backlog for each in reader.read(0.05)] == [2]
        shop.order("c")
        shop.stand(2, 2)
        (found,) = reader.read(0.0, pause=lambda _: None)
        assert (found.backlog, found.arrival_per_s > 0, found.service_per_s > found.arrival_per_s) == (1, True, True)
        assert [each.backlog for each in reader.read(0.05)] == [1]


def test_a_group_that_never_came_has_everything_before_it(shop: Shop) -> None:
    shop.order("a", "b", "c")

    assert read_pressure(PLAN, shop.environ, window_s=0.05)[0].backlog == 3


def standing(shop: Shop) -> list[tuple[str | None, int | None, int | None, StandingCause]]:
    (found,) = read_pressure(PLAN, shop.environ, window_s=0.05)
    lost = [one for one in found.standing if one.cause is not StandingCause.NO_MEMBER]
    return [(one.topic, one.partition, one.offset, one.cause) for one in lost]


def test_a_partition_whose_position_left_the_log_is_named(shop: Shop) -> None:
    shop.order(*[f"o{number}" for number in range(4)])
    shop.stand(0, 4, 2)
    assert standing(shop) == []
    shop.stand(4, 9, 4)
    (found,) = read_pressure(PLAN, shop.environ, window_s=0.05)
    assert standing(shop) == [(shop.topic, 0, 4, StandingCause.POSITION_LOST)]
    assert "position_lost: its lanes stand at 4 to 9, the log holds 0 to 4" in found.sentence
    shop.stand(4, 4, 4)
    with psycopg.connect(shop.dsn) as connection:
        connection.execute("UPDATE search.position SET incarnation = 'of yesterday'")
    assert standing(shop) == [(shop.topic, 0, 4, StandingCause.POSITION_LOST)]


def test_effects_and_quarantine_are_part_of_it(shop: Shop) -> None:
    with psycopg.connect(shop.dsn) as connection:
        connection.execute(
            "INSERT INTO search.effect"
            " (subject_ref, step, number, key, vendor, operation, body, state, outcome, planned_at) VALUES"
            " ('a', 'search', 100, 'k', 'index', 'put', '{}', 'unknown', '{\"status\": 429}', now() - interval '1 min')"
        )
        connection.execute(
            'INSERT INTO search.quarantine (group_name, topic, incarnation, partition, "offset", key, reason)'
            " VALUES (%s, 't', '', 0, 0, 'a', 'poison')",
            (shop.group,),
        )

    found = read_pressure(PLAN, shop.environ, window_s=0.05)[0]

    assert (found.effects.waiting, found.effects.unknown, found.effects.limited, found.parked) == (1, 1, 1, 1)
    assert found.saturation["vendor"] == 1.0
    assert (found.effects.calling, "lanes" in found.saturation) == (0, False)
    assert found.oldest_s >= 59
    assert "1 held back by the vendor's limit; 1 in quarantine, none lost" in found.sentence


def nothing(_given: object) -> Never:
    raise AssertionError("nobody runs it")


def test_a_projection_and_the_resumer_are_seen_once_they_have_run(shop: Shop) -> None:
    plan = replace(
        PLAN,
        projections={"order": Context("ordering", "order", ("order",))},
        resumer=Resumer("resume", ("order",), handler=nothing, worker=nothing, group="legacy"),
    )
    shop.order(*[f"o{number}" for number in range(8)])
    assert [each.context for each in read_pressure(plan, shop.environ, window_s=0.05)] == ["search"]

    shop.stand(8)
    shop.stand(2, schema="ordering", group="order")
    shop.stand(3, schema="resume", group="legacy")
    promises = {"ordering": 3600.0}
    found = read_pressure(plan, shop.environ, window_s=0.05, promise_of=lambda context: promises.get(context.schema))
    assert [(each.context, each.backlog) for each in found] == [("search", 0), ("order", 6), ("resume", 5)]
    assert found[1].promise_s == 3600.0
    assert found[2].sentence.startswith("5 events wait in resume, oldest ")


def test_lanes_and_connections_that_are_taken_are_part_of_it(shop: Shop) -> None:
    shop.order(*["one"] * 8)
    shop.stand(0, 0, 0, 0)
    (found,) = read_pressure(PLAN, shop.environ, window_s=0.05)
    assert found.saturation["lanes"] == 0.25, "one key, one lane of four"
    assert 0 < found.saturation["connections"] < 1
    with psycopg.connect(shop.dsn) as connection:
        connection.execute(
            "INSERT INTO search.effect"
            " (subject_ref, step, number, key, vendor, operation, body, state, next_attempt_at) VALUES"
            " ('a', 'search', 100, 'k', 'index', 'put', '{}', 'sent', now() + interval '1 min'),"
            " ('b', 'search', 100, 'l', 'index', 'put', '{}', 'sent', now() - interval '1 min')"
        )
    (found,) = read_pressure(PLAN, shop.environ, window_s=0.05)
    assert (found.effects.waiting, found.effects.calling) == (2, 1)


def test_the_verb_prints_sentences_and_json(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(PythonAdmin(shop.bootstrap)) as admin:
        prefix = shop.environ["OUTBOX_TOPIC_PREFIX"]
        admin.ensure_topics({prefix + name: 1 for name in ("fraud", "inventory", "payment")})
    for name, value in shop.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STRANGLER_PLAN", str(Path(__file__).parents[2] / "legacy_app" / "plan" / "plan.py"))

    assert main(["pressure", "--window-s", "0.05"]) == 0
    assert "search " in capsys.readouterr().out
    assert main(["pressure", "--window-s", "0.05", "--json"]) == 0
    assert {each["context"] for each in json.loads(capsys.readouterr().out)} >= {"notification", "search"}
    assert main(["pressure", "--window-s", "0"]) == 2
    assert "give seconds, 0.05 to 600" in capsys.readouterr().err
