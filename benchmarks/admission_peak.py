"""What is answered in time while more is asked than the application can do, beside three other ways to take a peak?

The chain is the sample's: facade, monolith, vendors, PostgreSQL. The payment provider is slow, so orders hold the
monolith's workers while nothing uses the CPU. All through one facade or proxy: ours; a proxy without admission; with a
fixed limit; and with the rule of CoDel and stress.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import requests

from benchmarks.peak_plan import PARTNER, SLOTS, plan
from benchmarks.peers.environments import python_of
from benchmarks.question import Answer
from strangler.local import Running, Stack

HERE = Path(__file__).resolve().parent
TOKEN = secrets.token_hex(16)
PROVIDER_MS = 700
POLLS_PER_S = 50.0
CHECKOUT, PARTNERS = 0.25, 0.75  # of the orders
RULES = ("ours", "queue_time", "fixed", "none")
TIMES = (2, 4, 10)
RUN_S, SKIP_S = 25.0, 8.0
ALONE_S, TOP, SURGE = 40.0, 20_000, 12
SKUS = 2_000  # a row of stock is locked for all of an order: two must rarely want one
BODIES = [
    {
        "client_ref": "bench",
        "channel": "web",
        "country": "United Kingdom",
        "placed_at": "2026-12-01T10:00:00Z",
        "lines": [{"sku": f"bench-{number}", "quantity": 1, "unit_price_minor": 295, "description": "a mug"}],
    }
    for number in range(SKUS)
]
DEADLINES_S = {"continue": 1.0, "checkout": 3.0, "partners": 3.0}
Load = Mapping[str, Any]
Found = Mapping[str, Any]
Clients = Callable[[Sequence[str]], list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Chain:
    """The application behind whatever is measured, made anew for each run: what a run left in it is no other's."""

    stack: Stack
    vendors_url: str

    @contextmanager
    def behind(self, rule: str) -> Iterator[tuple[int, list[str]]]:
        """The port of the facade or proxy, and orders that clients may ask about."""
        dsn = self.stack.database(f"peak_{secrets.token_hex(4)}", plan)
        legacy = self._legacy(dsn)
        front = self._facade(dsn, legacy.url) if rule == "ours" else self._proxy(legacy.url, rule)
        try:
            yield front.port or 0, [f"/orders/{ordered(legacy.url)}" for _ in range(20)]
        finally:
            for one in (front, legacy):
                one.kill()

    def _legacy(self, dsn: str) -> Running:
        port = self.stack.take_port()
        argv = [sys.executable, "-m", "legacy_app", "serve", "--workers", str(SLOTS), "--timeout-s", "30"]
        env = {"STRANGLER_DSN": dsn, "VENDORS_URL": self.vendors_url, "PORT": str(port)}
        return self.stack.spawn(f"legacy-{port}", argv, env=env, port=port, ready_path="/healthz")

    def _facade(self, dsn: str, upstream: str) -> Running:
        port = self.stack.take_port()
        env = {"STRANGLER_DSN": dsn, "LEGACY_URL": upstream, "STRANGLER_PLAN": str(HERE / "peak_plan.py")}
        argv = [sys.executable, "-m", "strangler", "facade", "--port", str(port), "--admission", "100%"]
        env["STRANGLER_INTERNAL_TOKEN"] = TOKEN
        return self.stack.spawn(f"facade-{port}", argv, env=env, port=port, ready_path="/-/healthz")

    def _proxy(self, upstream: str, rule: str) -> Running:
        port = self.stack.take_port()
        argv = [str(python_of("proxy")), str(HERE / "peers" / "proxy.py"), str(port), upstream, rule, str(SLOTS)]
        return self.stack.spawn(f"proxy-{port}", argv, env={}, port=port, ready_path="/-/healthz")


def measure(stack: Stack) -> Answer:
    """Saturation first, then 2, 4 and 10 times that by each rule, then twelve times the partners' orders."""
    python_of("proxy")
    chain, idle = Chain(stack, slow_vendors(stack)), list[float]()
    saturation = saturated(chain)
    with chain.behind("ours") as (port, orders):
        alone = load(port, mix(0.3 * saturation, orders), ALONE_S)
    unloaded_s = alone["checkout"]["took_s"]["p99"]
    settings: dict[str, Any] = {
        "slots": SLOTS,
        "provider_ms": PROVIDER_MS,
        "saturation_orders_per_s": round(saturation, 2),
        "unloaded_p99_s": unloaded_s,
    }
    goodput: dict[str, float] = {}
    for times in TIMES:
        for rule in RULES:
            found = loaded(chain, rule, partial(mix, times * saturation), RUN_S, idle)
            goodput[rule] = orders_per_s(found, RUN_S) / saturation
            p99_s = max(found[one]["took_s"].get("p99", 0.0) for one in ("checkout", "partners"))
            settings[told("goodput_ratio", rule, times)] = round(goodput[rule], 3)
            settings[told("p99_of_unloaded", rule, times)] = round(p99_s / unloaded_s, 2)
            settings[told("answers", rule, times)] = found
    for rule in RULES:
        seconds = SKIP_S + TOP / POLLS_PER_S * 1.02 if rule == "ours" else RUN_S
        found = loaded(chain, rule, partial(mix, 0.98 * saturation, surge=SURGE), seconds, idle)
        top = found["continue"]
        settings["top_class_good_share" + ("" if rule == "ours" else f"_{rule}")] = round(good_share(top), 5)
        settings[told("answers", rule, "surge")] = found
    settings |= {"top_class_requests": settings["answers_surge"]["continue"]["came"], "cpu_idle_least": min(idle)}
    beside = {rule: goodput[rule] for rule in RULES[1:]}
    return Answer("admission_peak", f"of saturation, at {TIMES[-1]}x", goodput["ours"], beside, settings)


def told(name: str, rule: str, load: int | str) -> str:
    """A setting's name: `goodput_ratio_2x`, `goodput_ratio_2x_fixed`."""
    return f"{name}_{load}{'x' if isinstance(load, int) else ''}{'' if rule == 'ours' else f'_{rule}'}"


def loaded(chain: Chain, rule: str, clients: Clients, seconds: float, idle: list[float]) -> Found:
    """One run; of ours, how much of the CPU nobody used."""
    with chain.behind(rule) as (port, orders), idleness(idle if rule == "ours" else []):
        found = load(port, clients(orders), seconds)
    print(f"{rule}: {json.dumps(found)}", file=sys.stderr)
    return found


def good_share(of: Found) -> float:
    return float(of.get("good", 0) / of["came"])


def slow_vendors(stack: Stack) -> str:
    """Their address. The payment provider takes its time."""
    port = stack.take_port()
    env = {"PORT": str(port), "VENDORS_ADMIN_TOKEN": TOKEN, "VENDORS_FOLDER": str(stack.folder / "peak-vendors")}
    vendors = stack.spawn(
        "vendors-peak", [sys.executable, "-m", "legacy_app", "vendors"], env=env, port=port, ready_path="/healthz"
    )
    turned = requests.put(
        f"{vendors.url}/knobs/payments",
        json={"latency_ms": PROVIDER_MS},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=10,
    )
    turned.raise_for_status()
    return vendors.url


def ordered(url: str) -> str:
    """An order's reference, placed directly."""
    said = requests.post(f"{url}/orders", json=BODIES[0], timeout=30)
    said.raise_for_status()
    return str(said.json()["order_ref"])


def saturated(chain: Chain) -> float:
    """Orders a second that the application gives to as many clients as it has workers, while others ask how far."""
    done, until = [0] * SLOTS, 0.0

    def orders(at: int, url: str) -> None:
        with requests.Session() as session:
            while time.monotonic() < until:
                body = BODIES[(at + SLOTS * done[at]) % SKUS]
                session.post(f"{url}/orders", json=body, timeout=30).raise_for_status()
                done[at] += time.monotonic() < until

    dsn = chain.stack.database(f"peak_{secrets.token_hex(4)}", plan)
    legacy = chain._legacy(dsn)
    polls = [f"/orders/{ordered(legacy.url)}"]
    until = time.monotonic() + RUN_S
    threads = [threading.Thread(target=orders, args=[at, legacy.url]) for at in range(SLOTS)]
    for one in threads:
        one.start()
    load(legacy.port or 0, mix(0.0, polls), RUN_S)
    for one in threads:
        one.join()
    legacy.kill()
    return sum(done) / RUN_S


def mix(orders_per_s: float, polls: Sequence[str], surge: float = 1.0) -> list[dict[str, Any]]:
    """Who comes: who asks how far an order is, the shop's orders, and partners'."""
    ordering = {"method": "POST", "paths": ["/orders"], "bodies": BODIES}
    of_partner = ordering | {"fields": {PARTNER: "partner-1"}}
    flows: list[dict[str, Any]] = [
        {"name": "continue", "per_s": POLLS_PER_S, "method": "GET", "paths": polls},
        ordering | {"name": "checkout", "per_s": orders_per_s * CHECKOUT},
        of_partner | {"name": "partners", "per_s": orders_per_s * PARTNERS * surge},
    ]
    return [one | {"deadline_s": DEADLINES_S[str(one["name"])]} for one in flows if one["per_s"]]


def load(port: int, flows: Sequence[Load], seconds: float) -> Found:
    """What the clients of another process say of it."""
    asked = {"port": port, "seconds": seconds, "skip_s": SKIP_S, "seed": 1, "flows": flows}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(asked, file)
        file.flush()
        argv = [sys.executable, "-m", "legacy_app.rehearsal.peak_clients", file.name]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the clients failed: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout))


def orders_per_s(found: Found, seconds: float) -> float:
    return float(sum(found[one]["good_meanwhile"] for one in ("checkout", "partners")) / (seconds - SKIP_S))


@contextmanager
def idleness(shares: list[float]) -> Iterator[None]:
    """Adds the share of the CPU that nobody used meanwhile."""
    before = _cpu()
    yield
    idle, whole = (after - begun for begun, after in zip(before, _cpu(), strict=True))
    shares.append(round(idle / whole, 3))


def _cpu() -> tuple[int, int]:
    ticks = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)
