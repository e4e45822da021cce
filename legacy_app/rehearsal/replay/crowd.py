"""Several clients take commands in the order of the file; a cancellation waits until its order's fate is known."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from urllib.parse import quote

from legacy_app.rehearsal.orders_file import CancelOrder, Command, PlaceOrder
from legacy_app.rehearsal.replay.attempts import BACKOFF_CAP_S, MAX_WAITS, Client, Patience
from legacy_app.rehearsal.replay.summary import Tally


class Crowd:
    """Orders are taken before their cancellations and never wait for anything, so the waiting always ends."""

    def __init__(self, url: str, commands: Sequence[Command], patience: Patience, tally: Tally, *, seed: int) -> None:
        self._url, self._patience, self._tally, self._seed = url, patience, tally, seed
        self._commands = iter(commands)
        self._taking = threading.Lock()
        self._stop = threading.Event()
        self._fates: dict[str, Future[str | None]] = {
            command.client_ref: Future() for command in commands if isinstance(command, PlaceOrder)
        }
        self.failure: BaseException | None = None

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def stop(self) -> None:
        """Take nothing new; requests under way end within one timeout."""
        self._stop.set()

    def run(self, clients: int, watch: Callable[[], None]) -> None:
        """Until all commands are done or `stop`; `watch` is called ten times a second. Raises what a client raised."""
        threads = [threading.Thread(target=self._client, args=(number,), daemon=True) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.1)
                watch()
        if self.failure is not None:
            raise self.failure

    def _client(self, number: int) -> None:
        client = Client(self._url, self._patience, random.Random(self._seed + number), self._stop.wait)  # noqa: S311
        try:
            while (command := self._take()) is not None:
                self._send(client, command)
        except Exception as error:  # noqa: BLE001 - the thread's edge: kept, and raised by `run`
            self.failure = error
            self.stop()
        finally:
            client.close()

    def _take(self) -> Command | None:
        with self._taking:
            return None if self.stopped else next(self._commands, None)

    def _send(self, client: Client, command: Command) -> None:
        match command:
            case PlaceOrder():
                outcome = client.post("/orders", command.client_ref, command.body)
                self._tally.order(command, outcome)
                order_ref = outcome.body.get("order_ref") if outcome.accepted else None
                self._fates[command.client_ref].set_result(order_ref)
            case CancelOrder():
                self._cancel(client, command)

    def _cancel(self, client: Client, command: CancelOrder) -> None:
        order_ref = self._fate(command.client_ref)
        if order_ref is None:
            self._tally.cancellation(command, None)
            return
        lines = [{"sku": sku, "quantity": quantity} for sku, quantity in command.pieces]
        body = {"cancellation_ref": command.cancellation_ref, "lines": lines}
        key = f"{command.cancellation_ref}:{command.client_ref}"
        path = f"/orders/{quote(order_ref, safe='')}/cancellations"
        self._tally.cancellation(command, client.post(path, key, body))

    def _fate(self, client_ref: str) -> str | None:
        longest_s = (self._patience.attempts + MAX_WAITS) * (self._patience.timeout_s * 2 + BACKOFF_CAP_S)
        fate = self._fates[client_ref]
        waited_s = 0.0
        while not fate.done() and not self.stopped and waited_s < longest_s:
            try:
                fate.result(0.1)
            except NotYet:
                waited_s += 0.1
        return fate.result(0) if fate.done() else None
