"""How far a step has come with an order: by its claims as owner, by its records as a shadow."""

from __future__ import annotations

from outbox.event import Event
from strangler.step.claim import tombstone
from strangler.step.step_progress import handled_by
from tests.integration.contexts import connect
from tests.integration.middle import handle
from tests.support.orders import cancelled, of_order, of_type, placed, received
from tests.support.services import SERVICES


def newest(dsn: str, *events: Event) -> dict[str, tuple[int, int]]:
    with connect(dsn, "search") as connection:
        return dict(handled_by("search", SERVICES["search"].concerns)(connection, received(events)))


def test_owners_by_their_claims_shadows_by_their_records_legacys_not_at_all(database: str) -> None:
    owners = {"a": "search=new", "b": "search=shadow", "c": "", "d": "search=new"}
    handle(database, "search", *(placed(ref, owners[ref]) for ref in "abc"))
    handle(database, "search", cancelled("b", owners["b"]))
    asked = [cancelled(ref, owners[ref], version=4) for ref in "abcd"]
    assert newest(database, *asked) == {"a": (2, 1), "b": (3, 2), "d": (0, 0)}


def test_an_order_that_was_handed_back_and_an_event_that_says_nothing_are_not_waited_for(
    database: str,
) -> None:
    with connect(database, "search") as connection:
        tombstone(connection, subject_ref="a", step="search", epoch=7)
    unknown = of_type(cancelled("b", "search=new"), "OrderRejected")
    assert newest(database, cancelled("a", "search=new"), unknown) == {}


def test_a_version_that_says_nothing_to_the_step_is_not_waited_for(database: str) -> None:
    owners = {"a": "search=new", "b": "search=shadow", "c": ""}
    for _ in range(2):  # a relay's repeat marks nothing twice
        handle(database, "search", *(of_order("OrderReceived", ref, owners[ref]) for ref in "abc"))
    asked = [placed(ref, owners[ref]) for ref in "abc"]
    assert newest(database, *asked) == {"a": (1, 1), "b": (1, 1)}
    handle(database, "search", *asked[:2])
    asked = [cancelled(ref, owners[ref], version=4) for ref in "abc"]
    assert newest(database, *asked) == {"a": (2, 2), "b": (2, 2)}
