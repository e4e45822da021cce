"""Counts of reads reach the database, whatever one of them holds."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from outbox.connection import PsycopgConnection
from strangler.facade.loop_database import LoopDatabase
from strangler.facade.measures import Unmeasured
from strangler.facade.read_record import ReadRecord
from strangler.reads.table import read_account
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_kafka


def test_what_the_database_never_takes_holds_up_nothing(
    dsn: str, connection: PsycopgConnection, caplog: pytest.LogCaptureFixture
) -> None:
    read = f"page_{secrets.token_hex(4)}"

    async def tell() -> None:
        record = ReadRecord(LoopDatabase(dsn, Unmeasured(), size=1), every_s=0.01)
        record.count(read, 1, "differs_at", secrets.token_hex(10_000))
        await asyncio.to_thread(wait_until, lambda: "reads_refused" in caplog.text)
        record.count(read, 1, "eligible")
        await record.stop()

    asyncio.run(tell())
    assert read_account(connection, read, 1).eligible == 1
    assert "reads_not_told" not in caplog.text
