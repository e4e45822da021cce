"""The shop's payment goes to the new side and back, stage by stage, behind the facade; each stage is judged."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from strangler.local.stack import Stack
from tests.strangers.running import Application
from tests.strangers.strangled import Town, strangled
from tests.support.waiting import wait_until

TOPICS = ("order", "payment")
OPEN = "SELECT subject_ref, state, waits_for, attempts FROM strangler.continuation WHERE state <> 'done'"


@pytest.fixture
def town(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with strangled(stack, "shop", tmp_path_factory.mktemp("shop"), TOPICS) as town:
        town.toolkit("outbox", "relay")
        yield town


def placed(shop: Application, count: int = 4) -> list[int]:
    """Orders, the first of which the bank declines; their statuses."""
    return [
        shop.send(
            "POST",
            "/orders",
            json={"email": "ann@example.invalid", "cents": 100 + number if number else 500_000},
            headers={"Idempotency-Key": secrets.token_hex(8)},
        ).status_code
        for number in range(count)
    ]


def judged(town: Town) -> dict[str, int]:
    """What the judge has found, by owner."""
    ended = town.command("reconcile", "--json", "--timeout-s", "30")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: dict[str, int] = json.loads(ended.stdout)["by_owner"]["payment"]
    return found


@pytest.mark.timeout(300)
def test_from_legacy_to_live_and_back_nothing_is_lost_or_doubled(town: Town) -> None:
    service = town.toolkit("strangler", "run", "payment")
    town.resume("shop.app:create_app")
    legacy = town.serve(WAIT_S="10")
    shop = replace(legacy, url=town.facade(legacy).url)
    said = "--reason", "test"

    assert placed(shop) == [402, 201, 201, 201]
    for stage in (["shadow"], ["ramp", "--ramp", "50%"], ["live"]):
        town.finish("strangler", "advance", "payment", "--to", *stage, *said)
        assert placed(shop) == [402, 201, 201, 201], stage
        judged(town)

    service.terminate()
    hasty = town.serve(WAIT_S="0")
    shop = replace(legacy, url=town.facade(hasty).url)
    assert placed(shop) == [202, 202, 202, 202]
    town.finish("strangler", "rollback", "payment", "--to", "legacy", *said)
    town.finish("strangler", "hand-back", "payment", *said, LEGACY_URL=hasty.url)
    assert placed(shop) == [402, 201, 201, 201]
    service.start()
    wait_until(lambda: town.rows(OPEN) == [], lambda: town.rows(OPEN))
    judged(town)

    orders = "SELECT subject_ref, charge_id FROM shop_orders WHERE status = %s ORDER BY 1"
    paid, refused = town.rows(orders, "paid"), town.rows(orders, "refused")
    charged = [(one["key"].partition(":")[0], f"ch_{one['seq']}") for one in shop.ledger("charges")]
    assert sorted(charged) == paid
    assert len(paid) == 3 * 6
    assert {charge_id for _, charge_id in refused} == {None}
    assert town.rows("SELECT count(*) FROM shop_orders WHERE receipt IS NOT NULL") == [(len(paid),)]
