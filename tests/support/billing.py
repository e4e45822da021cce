"""The shipped example as a process over a database of its own, and invoices made as its application makes them."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from strangler.local.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "billing.py"
INVOICE = "import sys, billing; billing.invoice(int(sys.argv[1]), sys.argv[2])"
WITHIN_S = 60.0


@dataclass
class Billing:
    """`kafka` is the environment of its Kafka."""

    dsn: str
    kafka: Mapping[str, str]
    log: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, **kafka: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen([sys.executable, EXAMPLE], env=self._environ(**kafka), stdout=log, stderr=log)
        self.running.append(process)
        return process

    def invoice(self, number: int, day: str) -> None:
        """In a process of its own, as an application would."""
        argv = [sys.executable, "-c", INVOICE, str(number), day]
        subprocess.run(argv, env=self._environ(), cwd=EXAMPLE.parent, check=True, timeout=WITHIN_S)

    def totals(self) -> dict[str, int]:
        """Empty as long as there are no tables."""
        try:
            with psycopg.connect(self.dsn) as connection:
                return dict(connection.execute("SELECT day, n FROM total").fetchall())
        except psycopg.errors.UndefinedTable:
            return {}

    def streams(self) -> bool:
        """Whether the relay reads the WAL."""
        with psycopg.connect(self.dsn) as connection:
            query = "SELECT FROM pg_replication_slots WHERE slot_name = 'outbox' AND active AND database = %s"
            return connection.execute(query, [connection.info.dbname]).fetchone() is not None

    def stopped(self) -> int:
        """By SIGTERM; its exit code."""
        self.running[-1].send_signal(signal.SIGTERM)
        return self.running[-1].wait(WITHIN_S)

    def _environ(self, **kafka: str) -> dict[str, str]:
        others = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA")}
        return {**others, **self.kafka, **kafka, "BILLING_DSN": self.dsn}


@contextmanager
def billing(stack: Stack, kafka: Mapping[str, str], log: Path) -> Iterator[Billing]:
    """Over an empty database: the example makes its tables itself."""
    name = f"billing_{secrets.token_hex(4)}"
    made = Billing(stack.databases.ensure(name), kafka, log)
    try:
        yield made
    finally:
        for process in made.running:
            process.kill()
            process.wait(WITHIN_S)
        stack.databases.drop(name)
