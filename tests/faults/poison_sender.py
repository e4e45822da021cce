"""A sender in a process of its own, so that it takes nothing from the consumer's: an open loop by a schedule.

It reads lines of JSON, each a stretch: `{"start": 12.5, "rate": 300, "lsn": 1, "places": [["order-1", 1], ...]}`, with
the start on the machine's monotonic clock. It answers with the milliseconds by which it was late at worst. The end of
its input is its own.
"""

from __future__ import annotations

import json
import os
import sys
import time

from outbox.event import Event, SourcePosition
from outbox.kafka.codec import to_headers
from outbox.kafka.python_producer import PythonProducer

FLUSH_WITHIN_S = 30.0


def main() -> None:
    producer = PythonProducer(os.environ["KAFKA_BOOTSTRAP"])
    for line in sys.stdin:
        order = json.loads(line)
        late_s = send(producer, order["start"], order["rate"], order["lsn"], order["places"])
        sys.stdout.write(json.dumps({"late_ms": round(1000 * late_s, 1)}) + "\n")
        sys.stdout.flush()
    producer.close(1.0)


def send(producer: PythonProducer, start: float, rate: float, lsn: int, places: list[tuple[str, int]]) -> float:
    """Each place at its time, however long the one before took; the worst delay in seconds."""
    late_s = 0.0
    for count, (key, number) in enumerate(places):
        due = start + count / rate
        while (early_s := due - time.monotonic()) > 0:
            time.sleep(early_s)
        late_s = max(late_s, -early_s)
        event = Event("order", key, number, "OrderPlaced", b"{}")
        headers = to_headers(event, SourcePosition("test", lsn + count, 0))
        producer.send(os.environ["TOPIC"], key.encode(), b"{}", headers)
    producer.flush(FLUSH_WITHIN_S)
    return late_s


if __name__ == "__main__":
    main()
