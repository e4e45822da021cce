"""The act of the peak: ten times an ordinary minute, without admission and with it, at the chain as found."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import psycopg
import requests

from legacy_app.rehearsal import commands, script
from legacy_app.rehearsal.acts import slow_down
from legacy_app.rehearsal.orders_file import SAMPLE, PlaceOrder
from legacy_app.rehearsal.replay.selection import Window, select
from legacy_app.rehearsal.scene import Scene
from strangler.errors import DependencyDown
from strangler.local import Running
from strangler.service import Json

TIMES = 10
SECONDS, SKIP_S = 8.0, 2.0
# Requests a second of an ordinary minute, and after how long a client gives up.
ORDINARY = {"continue": (2.5, 1.0), "checkout": (2.5, 2.0), "browse": (10.0, 1.0)}
WORDS = {"continue": "asked how far their order is", "checkout": "ordered", "browse": "looked around"}
_ORDERS = "SELECT count(*) FROM legacy.orders"


def meet_peak(scene: Scene, *, admission: bool) -> Json:
    """Send the peak through a facade, with the plan's admission or without; what became of each class of clients."""
    slow_down(scene, script.BUSY_PROVIDER)
    facade = _facade(scene, admission=admission)
    try:
        bodies = _bodies(scene)
        known = requests.post(f"{scene.environ['LEGACY_URL']}/orders", json=bodies[0], timeout=30)
        known.raise_for_status()
        classes = _sent(scene, facade, str(known.json()["order_ref"]), bodies)
    finally:
        facade.terminate()
    counted = scene.run("disease", script.DISEASE)
    with psycopg.connect(scene.environ["STRANGLER_DSN"]) as connection:
        row = connection.execute(_ORDERS).fetchone()
    stored = 0 if row is None else int(row[0])
    return {
        "classes": classes,
        "lost": max(0, classes["checkout"]["good"] - stored),
        "duplicate_orders": counted["duplicate_orders"],
        "payments_without_order": counted["payments_without_order"],
    }


def told_peak(found: Mapping[str, Any]) -> list[str]:
    """In business words: who was answered in time, who was refused at once, who waited in vain."""
    return [
        f"of {one['came']} who {WORDS[name]}: {one['good']} answered in time, {one['refused']} refused at once, "
        f"{one['late'] + one['failed']} waited in vain"
        for name, one in found["classes"].items()
    ]


def bent(found: Mapping[str, Any]) -> list[str]:
    """The classes of which some were not answered in time, the one that gave most first."""
    shares = {name: 1 - one["good"] / one["came"] for name, one in found["classes"].items() if one["came"]}
    return [name for name in sorted(shares, key=lambda name: -shares[name]) if shares[name] > 0]


def _facade(scene: Scene, *, admission: bool) -> Running:
    port = scene.stack.take_port()
    share = ["--admission", "100%"] if admission else []
    return scene.stack.spawn(
        f"facade-peak-{port}",
        [sys.executable, "-m", "strangler", "facade", "--port", str(port), *share],
        env=scene.environ,
        port=port,
        ready_path="/-/healthz",
    )


def _bodies(scene: Scene) -> list[Json]:
    """Of real orders."""
    chosen, _ = select(scene.orders_file or SAMPLE, Window(scene.orders, cancellations=False))
    return [one.body for one in chosen if isinstance(one, PlaceOrder)]


def _sent(scene: Scene, facade: Running, known: str, bodies: list[Json]) -> Json:
    ways: dict[str, dict[str, Any]] = {
        "continue": {"method": "GET", "paths": [f"/strangler/status/{known}"]},
        "checkout": {"method": "POST", "paths": ["/orders"], "bodies": bodies},
        "browse": {"method": "GET", "paths": [f"/orders/{known}"]},
    }
    flows = [
        {"name": name, "per_s": per_s * TIMES, "deadline_s": deadline_s, **ways[name]}
        for name, (per_s, deadline_s) in ORDINARY.items()
    ]
    load = {"port": facade.port, "seconds": SECONDS, "skip_s": SKIP_S, "seed": 1, "flows": flows}
    file = scene.stack.folder / f"{facade.name}.json"
    file.write_text(json.dumps(load))
    argv = ("legacy_app.rehearsal.peak_clients", str(file))
    found = commands.run(scene.stack, f"clients-{facade.name}", argv, scene.environ)
    if not isinstance(found, dict):
        raise DependencyDown(f"the clients of the peak said {found!r}")
    return found
