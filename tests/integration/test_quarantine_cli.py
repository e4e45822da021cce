"""`strangler quarantine`: what is parked is seen where and why, and changed only by somebody with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from outbox.event import Event
from outbox.kafka.codec import to_headers
from strangler.cli import main
from tests.integration.consumer_rig import Rig, Running
from tests.integration.kafka_rig import rig_on_kafka
from tests.integration.test_consumer_release import Picky
from tests.support.waiting import wait_until

TOLD = ("--actor", "ann", "--reason", "asked by the shop")


@pytest.fixture
def rig(bootstrap: str, database: str, topic_prefix: str) -> Iterator[Rig]:
    with rig_on_kafka(database, bootstrap, topic_prefix, partitions=1) as rig:
        yield rig


@pytest.fixture
def cli(rig: Rig, bootstrap: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("STRANGLER_DSN", rig.dsn)
    monkeypatch.setenv("KAFKA_BOOTSTRAP", bootstrap)

    def call(*arguments: str) -> tuple[int, Any, str]:
        """The code, the document on stdout (None: none), and what was said."""
        code = main(["quarantine", *arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return call


def parked(rig: Rig, *refused: tuple[str, int]) -> tuple[Running, Picky]:
    """Three events each of two keys, `refused` parked."""
    picky = Picky(*refused)
    rig.send_many(keys=2, each=3)
    running = rig.runtime(picky)
    wait_until(lambda: rig.parked() and rig.caught_up(), rig.positions)
    return running, picky


def test_a_parked_key_is_seen_mended_and_replayed(rig: Rig, cli: Any, tmp_path: Path) -> None:
    parked(rig, ("order-1", 2))
    code, listed, _ = cli("list", "--heads")
    assert (code, len(listed), listed[0]["reason"]) == (0, 1, "no such customer")
    place = listed[0]["place"]

    code, seen, _ = cli("inspect", place, "--out", str(tmp_path / "payload"))
    assert (code, seen["key"], seen["waiting_behind"], seen["payload_from"]) == (0, "order-1", 1, "log")
    assert (tmp_path / "payload").read_bytes() == b"{}"
    assert seen["headers"]["type"] == "OrderPlaced"

    code, again, _ = cli("replay", place, *TOLD)
    assert (code, again["done"], again["reason"]) == (1, False, "no such customer")

    (tmp_path / "payload").write_bytes(b"mended")
    assert cli("fix", place, "--payload", str(tmp_path / "payload"), *TOLD)[0] == 0
    assert cli("inspect", place)[1]["replacement"] == "mended"
    code, done, _ = cli("replay", place, *TOLD)
    assert (code, done["done"], done["open"]) == (0, True, 0)
    rig.assert_once_and_in_order()
    assert [entry["state"] for entry in cli("list", "--all")[1]] == ["replayed", "replayed"]
    assert cli("discard", place, *TOLD)[0] == 1, "it is not parked any more"


def test_a_fix_that_makes_no_event_is_refused_at_once(rig: Rig, cli: Any, tmp_path: Path) -> None:
    parked(rig, ("order-1", 2))
    (payload := tmp_path / "payload").write_bytes(b"mended")
    code, _, said = cli("fix", cli("list", "--heads")[1][0]["place"], "--header", "version=none", *TOLD)
    assert (code, "would be parked again: undecodable" in said) == (1, True)

    rig.sql('UPDATE quarantine SET "offset" = "offset" + 1000')  # as if the log had lost them
    place = cli("list", "--heads")[1][0]["place"]
    code, _, said = cli("fix", place, "--payload", str(payload), *TOLD)
    assert (code, "give it a payload and headers in one call, or discard it" in said) == (1, True)
    assert cli("inspect", place)[1]["replacement"] is None
    headers = [
        f"--header={one}" for one in ("id=018f0000-0000-7000-8000-000000000001", "type=OrderPlaced", "version=2")
    ]
    assert cli("fix", place, "--payload", str(payload), *headers, *TOLD)[0] == 0
    assert [verb for (verb,) in rig.sql("SELECT verb FROM quarantine_audit")] == ["fix"]


class OtherBytes(str):
    """A header's name as a producer in another language may write it."""

    __slots__ = ()

    def encode(self, *_: str) -> bytes:
        return b"caf\xe9\0"


def test_a_header_whose_name_is_no_text_is_shown_and_replaced(rig: Rig, cli: Any) -> None:
    event = Event("order", "order-1", 1, "OrderPlaced", b"{}")
    rig.producer.send(rig.topic, b"order-1", b"{}", [*to_headers(event, None), (OtherBytes("cafe"), b"1")])
    _, picky = parked(rig, ("order-1", 1))
    place = cli("list")[1][0]["place"]
    code, seen, _ = cli("inspect", place)
    assert (code, seen["headers"]["caf\\xe9\0"]) == (0, "1")

    assert cli("fix", place, "--header", "caf\udce9=2\udcff", *TOLD)[0] == 0
    assert cli("inspect", place)[1]["replacement_headers"] == {"caf\\xe9": "2\\xff"}
    picky.refused.clear()
    assert cli("replay", place, *TOLD)[1]["done"]


def test_a_dry_run_changes_nothing_and_a_discard_releases_the_rest(rig: Rig, cli: Any) -> None:
    running, _ = parked(rig, ("order-1", 2))
    place = cli("list")[1][0]["place"]
    before = rig.sql("SELECT * FROM quarantine ORDER BY 5")
    for verb in (("discard",), ("replay",), ("fix", "--header", "type=OrderPlaced")):
        code, data, _ = cli(verb[0], place, *verb[1:], *TOLD, "--dry-run")
        assert (code, data["dry_run"]) == (0, True)
    assert rig.sql("SELECT * FROM quarantine ORDER BY 5") == before
    assert cli("discard", place, *TOLD)[0] == 0
    wait_until(lambda: not rig.parked(), rig.parked)
    assert [number for key, number in rig.effects() if key == "order-1"] == [1, 3]
    assert rig.sql("SELECT actor, verb, reason FROM quarantine_audit") == [("ann", "discard", "asked by the shop")]
    running.stop()


def test_a_no_says_the_next_step(rig: Rig, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("list")[:2] == (0, [])
    assert cli("inspect", "here")[0] == 2
    assert cli("discard", "search:orders/0@1")[0] == 2, "without an actor and a reason nothing is changed"
    code, _, said = cli("discard", "search:orders/0@1", *TOLD)
    assert (code, "nothing is parked at orders/0@1" in said) == (1, True)
    code, _, said = cli("replay", "nowhere:orders/0@1", *TOLD)
    assert (code, "'nowhere' has no quarantine" in said) == (2, True)
    code, _, said = cli("list", "--context", "nowhere")
    assert (code, "search" in said) == (2, True)
    assert cli("fix", "search:orders/0@1", *TOLD)[0] == 2
    rig.sql("CREATE ROLE quarantine_reader LOGIN PASSWORD 'reader'")
    try:
        rig.sql("GRANT USAGE ON SCHEMA search TO quarantine_reader")
        rig.sql("GRANT SELECT ON search.quarantine TO quarantine_reader")
        rig.sql(
            'INSERT INTO quarantine (group_name, topic, incarnation, partition, "offset", reason)'
            " VALUES ('search', 'orders', '', 0, 1, 'bad')"
        )
        address = psycopg.conninfo.conninfo_to_dict(rig.dsn)
        monkeypatch.setenv(
            "STRANGLER_DSN",
            f"postgresql://quarantine_reader:reader@{address['host']}:{address['port']}/{address['dbname']}",
        )
        assert cli("list")[1][0]["place"] == "search:orders/0@1"
        code, _, said = cli("discard", "search:orders/0@1", *TOLD)
        assert (code, "may not change" in said) == (1, True)
    finally:
        rig.sql("DROP OWNED BY quarantine_reader")
        rig.sql("DROP ROLE quarantine_reader")


def test_without_kafka_the_payload_is_said_to_be_there(rig: Rig, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parked(rig, ("order-1", 2))
    place = cli("list")[1][0]["place"]
    monkeypatch.delenv("KAFKA_BOOTSTRAP")
    code, _, said = cli("inspect", place)
    assert (code, "KAFKA_BOOTSTRAP" in said) == (3, True)
    with closing(psycopg.connect(rig.dsn)) as connection:
        connection.execute("UPDATE search.quarantine SET kept_value = 'x', kept_headers = '[]'")
        connection.commit()
    assert cli("inspect", place)[1]["payload_from"] == "kept"


def test_a_list_has_a_line_for_each_whatever_stands_in_it(
    rig: Rig, cli: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    parked(rig, ("order-1", 2))
    place = cli("list", "--heads")[1][0]["place"]
    forged = f"bad\n{place}  parked  since 2020-01-01\u2028\x85\x0b\r\u061cnone"
    rig.sql("UPDATE quarantine SET key = convert_to(%s, 'UTF8'), reason = %s", forged, forged)
    assert main(["quarantine", "list"]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == len(cli("list")[1]) > 1
    assert r"bad\nsearch:" in printed
    assert main(["quarantine", "inspect", place]) == 0
    assert len([line for line in capsys.readouterr().out.splitlines() if line.startswith(place)]) == 0
