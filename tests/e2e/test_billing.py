"""The README's example runs as it stands, from an empty database, without a plan and without `strangler`."""

from __future__ import annotations

from pathlib import Path

import psycopg

from strangler.local.stack import Stack
from tests.support.billing import EXAMPLE, ROOT, Billing, billing
from tests.support.waiting import wait_until

# As an operator's mistake: the relay's next start must not leave out what was committed meanwhile.
LOSE_THE_SLOT = """
SELECT pg_terminate_backend(active_pid), pg_drop_replication_slot(slot_name) FROM pg_replication_slots
WHERE slot_name = 'outbox'"""


def test_the_readme_shows_the_file_that_is_run() -> None:
    assert f"```python\n{EXAMPLE.read_text()}```" in (ROOT / "README.md").read_text()


def test_every_invoice_counts_once_over_restarts_and_a_dead_relay_ends_the_process(
    stack: Stack, tmp_path: Path
) -> None:
    with billing(stack, {"KAFKA_BOOTSTRAP": stack.bootstrap}, tmp_path / "log") as example:
        example.start()
        wait_until(example.streams, example.log.read_text)
        for number in range(3):
            example.invoice(number, "Monday")
        example.invoice(3, "Tuesday")
        wait_until(lambda: example.totals() == {"Monday": 3, "Tuesday": 1}, example.log.read_text)
        assert example.stopped() == 0, example.log.read_text()
        example.invoice(4, "Tuesday")
        again = example.start()
        wait_until(lambda: example.totals() == {"Monday": 3, "Tuesday": 2}, example.log.read_text)
        lose_the_slot(example)
        assert again.wait(60) != 0
        assert "ConfigurationError" in example.log.read_text()


def lose_the_slot(example: Billing) -> None:
    def lost() -> bool:
        try:
            with psycopg.connect(example.dsn) as connection:
                return connection.execute(LOSE_THE_SLOT).fetchone() is not None
        except psycopg.errors.ObjectInUse:
            return False

    wait_until(lost)
