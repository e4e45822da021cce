"""`quarantine replay` waits: the running consumer does the work, this only watches the rows."""

from __future__ import annotations

import sys
import time

from outbox.connection import PsycopgConnection
from outbox.consumer.quarantine import quarantine_admin
from outbox.consumer.quarantine.quarantine_admin import Entry, KeyProgress
from outbox.verbs.call import Call

LOOK_EVERY_S = 0.1


def wait_for(call: Call, connection: PsycopgConnection, schema: str, entry: Entry) -> int:
    """0: the key is free. 1: one of its events is parked again, or the time is over and it goes on by itself."""
    deadline = time.monotonic() + call.args.wait_s
    shown = None
    while True:
        now = quarantine_admin.progress(connection, entry)
        connection.commit()
        if now.open != shown and sys.stderr.isatty():
            call.talk(f"{now.open} still parked")
            shown = now.open
        if not now.open or not now.requested or time.monotonic() >= deadline:
            break
        time.sleep(LOOK_EVERY_S)
    data = {"place": f"{schema}:{entry.place}", "open": now.open, "done": not now.open, "reason": now.reason}
    call.emit(data, [_said(now)])
    return 1 if now.open else 0


def _said(now: KeyProgress) -> str:
    if not now.open:
        return "replayed: the key is free"
    if not now.requested:
        return f"parked again, {now.open} wait: {now.reason}; inspect the first, then fix or discard it"
    return f"{now.open} still wait; is the context's consumer running? It goes on without this command"
