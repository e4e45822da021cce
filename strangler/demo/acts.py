"""The acts before the judge comes: the disease of the bare chain, then the same peak while it is strangled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import psycopg
import requests

from strangler.demo import commands
from strangler.demo.scene import Scene
from strangler.demo.walk import Walk
from strangler.errors import DependencyDown
from strangler.step.intents import Json

DISEASE_ORDERS = 60  # enough to see each symptom, few enough to be quick
REPLAY_TIMEOUT_S = 300.0


def slow_down(scene: Scene) -> None:
    """Turn the vendors' knobs: the same slow provider in both acts."""
    for book, knobs in scene.rehearsal.slow_provider.items():
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
    argv = [*scene.rehearsal.replay, *scene.replay_arguments(scene.environ["LEGACY_URL"], orders)]
    summary = commands.run(scene.stack, "replay-bare", argv, scene.environ, timeout_s=REPLAY_TIMEOUT_S)
    disease = symptoms(scene, summary)
    scene.narrator.say(describe(disease))
    return disease


def strangle(scene: Scene, out: Path) -> tuple[Json, dict[str, int], Walk]:
    """The same client, retries and provider, through facade and outbox, while the stages are walked to live.

    Returns the client's summary, the symptoms on the new path, and the finished walk; `out` gets a line per order.
    """
    slow_down(scene)
    argv = [*scene.rehearsal.replay, *scene.replay_arguments(scene.environ["FACADE_URL"], scene.orders)]
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


def symptoms(scene: Scene, summary: Json) -> dict[str, int]:
    """The client's time-outs beside what the database and the vendors' ledger say."""
    counted = scene.run("disease", scene.rehearsal.disease)
    return {
        "offered": summary["offered"],
        "accepted": summary["accepted"],
        "timeouts": summary["timeouts"],
        "duplicate_orders": counted["duplicate_orders"],
        "payments_without_order": counted["payments_without_order"],
    }


def describe(disease: Mapping[str, int]) -> str:
    """The symptoms in a sentence."""
    return (
        f"of {disease['offered']} orders {disease['accepted']} were accepted: {disease['timeouts']} time-outs, "
        f"{disease['duplicate_orders']} ordered twice, {disease['payments_without_order']} payments without an order"
    )


def accepted_refs(out: Path) -> list[str]:
    """The references of the orders of which the client was told that they are accepted."""
    answers = [json.loads(line) for line in out.read_text().splitlines()]
    return [answer["order_ref"] for answer in answers if answer.get("order_ref")]
