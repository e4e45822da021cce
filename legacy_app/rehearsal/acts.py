"""The acts before the judge comes: the disease of the bare chain, the walk to live, then the same peak once more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import psycopg
import requests

from legacy_app.rehearsal import commands, script
from legacy_app.rehearsal.scene import Scene
from legacy_app.rehearsal.walk import Walk
from strangler.errors import DependencyDown
from strangler.local import wait_until
from strangler.service import Json

DISEASE_ORDERS = 60  # enough to see each symptom, few enough to be quick
REPLAY_TIMEOUT_S = 300.0
SETTLED_WITHIN_S = 30.0
PEAK_SUFFIX = "-peak"  # the same orders again are other orders: references and keys of their own

_OPEN = "SELECT count(*) FROM strangler.continuation WHERE state <> 'done'"


def slow_down(scene: Scene, slow: script.Knobs = script.SLOW_PROVIDER) -> None:
    """Turn the vendors' knobs: the same slow provider before and after."""
    for book, knobs in slow.items():
        answer = requests.put(
            f"{scene.environ['VENDORS_URL']}/knobs/{book}",
            json=dict(knobs),
            headers={"Authorization": f"Bearer {scene.environ['VENDORS_ADMIN_TOKEN']}"},
            timeout=5,
        )
        if answer.status_code >= 300:
            raise DependencyDown(f"the vendors refused the knobs for {book}: {answer.status_code} {answer.text[:200]}")


def show_disease(scene: Scene) -> dict[str, int]:
    """Replay through the bare chain and count what the chain did to its orders."""
    slow_down(scene)
    orders = min(scene.orders, DISEASE_ORDERS)
    scene.narrator.say(f"{orders} real orders straight into the chain, under a slow payment provider")
    argv = [*script.REPLAY, *scene.replay_arguments(scene.environ["LEGACY_URL"], orders)]
    summary = commands.run(scene.stack, "replay-bare", argv, scene.environ, timeout_s=REPLAY_TIMEOUT_S)
    disease = symptoms(scene, summary)
    scene.narrator.say(describe(disease))
    return disease


def strangle(scene: Scene, out: Path) -> tuple[Json, dict[str, int], Walk]:
    """The same client, retries and provider, through facade and outbox, while the stages are walked to live.

    Returns the client's summary, the symptoms meanwhile, and the finished walk; `out` gets a line per order.
    """
    slow_down(scene)
    argv = [*script.REPLAY, *scene.replay_arguments(scene.environ["FACADE_URL"], scene.orders)]
    expected = commands.run(scene.stack, "replay-count", [*argv, "--dry-run"], scene.environ)["orders"]
    scene.narrator.say(f"{expected} real orders through the facade; same client, same retries, same provider")
    replay = commands.start(scene.stack, "replay", [*argv, "--out", str(out)], scene.environ)
    with psycopg.connect(scene.environ["STRANGLER_DSN"], autocommit=True) as connection:
        walk = Walk(scene, connection, expected, replay.alive)
        walk.run()
    summary = commands.finish(replay, REPLAY_TIMEOUT_S)
    path = symptoms(scene, summary)
    scene.narrator.say(describe(path))
    return summary, path, walk


def repeat_peak(scene: Scene, before: Mapping[str, int], out: Path) -> dict[str, int]:
    """The orders of the first act again, now that the new side owns every step; only what this peak added is counted.

    `before`: the symptoms up to now. Orders that were answered "accepted, not done yet" are waited for.
    """
    slow_down(scene)
    orders = min(scene.orders, DISEASE_ORDERS)
    scene.narrator.say(f"the {orders} orders of the first act once more; same client, same retries, same provider")
    once_more = [*scene.replay_arguments(scene.environ["FACADE_URL"], orders), f"--ref-suffix={PEAK_SUFFIX}"]
    argv = [*script.REPLAY, *once_more, "--out", str(out)]
    summary = commands.run(scene.stack, "replay-peak", argv, scene.environ, timeout_s=REPLAY_TIMEOUT_S)
    settle(scene)
    after = symptoms(scene, summary)
    path = {**after, **{name: after[name] - before[name] for name in ("duplicate_orders", "payments_without_order")}}
    scene.narrator.say(describe(path))
    return path


def settle(scene: Scene) -> None:
    """Wait until no order waits for a step any more; `DependencyDown` says how many still do."""
    with psycopg.connect(scene.environ["STRANGLER_DSN"], autocommit=True) as connection:

        def waiting() -> int:
            row = connection.execute(_OPEN).fetchone()
            return int(row[0]) if row else 0

        if not wait_until(lambda: waiting() == 0, within_s=SETTLED_WITHIN_S):
            raise DependencyDown(
                f"{waiting()} orders still wait for a step after {SETTLED_WITHIN_S:.0f} s; see the logs of its context"
            )


def symptoms(scene: Scene, summary: Json) -> dict[str, int]:
    """The client's time-outs beside what the database and the vendors' ledger say."""
    counted = scene.run("disease", script.DISEASE)
    return {
        "offered": summary["offered"],
        "accepted": summary["accepted"],
        "accepted_pending": summary["accepted_pending"],
        "timeouts": summary["timeouts"],
        "duplicate_orders": counted["duplicate_orders"],
        "payments_without_order": counted["payments_without_order"],
    }


def describe(disease: Mapping[str, int]) -> str:
    """The symptoms in a sentence."""
    return (
        f"of {disease['offered']} orders {disease['accepted']} were accepted, {disease['accepted_pending']} of them "
        f"with 202 and a status to look at: {disease['timeouts']} time-outs, "
        f"{disease['duplicate_orders']} ordered twice, {disease['payments_without_order']} payments without an order"
    )


def accepted_refs(out: Path) -> list[str]:
    """The references of the orders of which the client was told that they are accepted."""
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    return [answer["order_ref"] for answer in answers if answer.get("order_ref")]
