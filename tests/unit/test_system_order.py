"""The order of start: what answers, the relay, what consumes, the facade; addresses of one system never clash."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from outbox.connection import PsycopgConnection
from strangler.facts import SubjectFacts
from strangler.local.system import addresses, in_order, slot_of
from strangler.plan import Plan, Process, Route, Step, Subject


def no_orders(_connection: PsycopgConnection) -> Iterable[SubjectFacts]:
    return []


def plan(*processes: Process) -> Plan:
    return Plan(
        name="small",
        subject=Subject("order", read=no_orders, caller="anonymous"),
        steps=(Step("mail"),),
        routes=(Route("POST /orders", creates="order"),),
        processes=processes,
    )


def names(*processes: Process) -> list[str]:
    return [process.name for process in in_order(plan(*processes))]


def test_relay_and_facade_are_added_in_their_places() -> None:
    mail = Process("mail", ("strangler", "run", "notification"))
    vendors = Process("vendors", ("legacy_app", "vendors"), url="VENDORS_URL")
    legacy = Process("legacy", ("legacy_app", "serve"), url="LEGACY_URL")
    assert names(mail, vendors, legacy) == ["vendors", "legacy", "relay", "mail", "facade"]


def test_a_plan_may_bring_its_own_relay() -> None:
    own = Process("relay", ("debezium",))
    assert [process for process in in_order(plan(own)) if process.name == "relay"] == [own]


def test_the_default_system_has_plain_names() -> None:
    environ = addresses("127.0.0.1:1", plan(), "postgresql://127.0.0.1:2/strangler", "outbox.event.")
    assert (environ["OUTBOX_SLOT"], environ["OUTBOX_GROUP_PREFIX"]) == ("outbox", "")


@given(st.text(min_size=1, max_size=63), st.text(min_size=1, max_size=63))
def test_a_database_of_any_name_has_a_slot_of_its_own(name: str, other: str) -> None:
    assert re.fullmatch(r"[a-z0-9_]{1,63}", slot_of(name))
    assert (slot_of(name) == slot_of(other)) == (name == other)


def test_another_system_has_its_own_slot_groups_and_tokens() -> None:
    guarded = plan(Process("vendors", ("vendors",), tokens=("VENDORS_TOKEN",)))
    first, second = (addresses("k:1", guarded, f"postgresql://127.0.0.1:2/{name}", f"{name}.") for name in ("a", "b"))
    for name in ("OUTBOX_SLOT", "OUTBOX_GROUP_PREFIX", "STRANGLER_INTERNAL_TOKEN", "VENDORS_TOKEN"):
        assert first[name] != second[name]
