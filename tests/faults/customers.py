"""Impatient customers: orders sent again after short time-outs, through any facade, until they are answered."""

from __future__ import annotations

import random
import threading

import requests

CUSTOMERS = 4
REST_S = 0.3  # between two orders: more than two cores take helps nobody, and starves what consumes behind
TRIES = 100
SKUS = [f"SKU{number:03d}" for number in range(400)]  # many, so that stock locks rarely meet


class Customers:
    """Order until left; `accepted` has the references of the orders that were answered 2xx, once each."""

    def __init__(self, url: str, seed: int) -> None:
        self._url, self._seed = url, seed
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CUSTOMERS)]
        self.accepted: list[str] = []
        self.retries = 0

    def __enter__(self) -> Customers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _run(self, number: int) -> None:
        rng = random.Random(f"{self._seed}:{number}")
        with requests.Session() as session:
            session.trust_env = False
            serial = 0
            while not self._stop.wait(rng.uniform(0, 2 * REST_S)):
                serial += 1
                self._place(session, rng, f"flip-{self._seed}-{number}-{serial}")

    def _place(self, session: requests.Session, rng: random.Random, ref: str) -> None:
        """A third of the first tries gives up within 20 ms: the retry meets a claim that is under way."""
        for attempt in range(TRIES):
            patience_s = 0.02 if attempt == 0 and rng.random() < 0.33 else 5.0
            try:
                answer = session.post(
                    f"{self._url}/orders", json=order(ref), headers={"Idempotency-Key": ref}, timeout=patience_s
                )
            except requests.RequestException:
                self.retries += 1
                continue
            if answer.ok:
                self.accepted.append(answer.json()["order_ref"])
                return
            self.retries += 1
            if self._stop.wait(0.02):
                return


def order(ref: str) -> dict[str, object]:
    """The same body for the same reference, whatever the retry."""
    lines = random.Random(ref).sample(SKUS, 2)
    client, serial = ref.rsplit("-", 1)
    return {
        "client_ref": ref,
        "channel": "web",
        "merchant_id": None,
        "customer_id": f"{client}-{int(serial) // 50}",  # fewer orders than fraud refuses
        "country": "United Kingdom",
        "placed_at": "2011-06-01T07:37:00",
        "lines": [{"sku": sku, "description": sku, "quantity": 1, "unit_price_minor": 250} for sku in lines],
    }
