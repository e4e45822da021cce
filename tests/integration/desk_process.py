"""A process of the small application that stops at a named place: `python -m tests.integration.desk_process PLACE DSN`.

It says `at PLACE` and waits for its end. `forked` has a child that outlives it.
"""

from __future__ import annotations

import os
import sys

from tests.integration.booking_desk import Desk
from tests.support.callers import engine_of


def stop(place: str) -> None:
    print("at", place, flush=True)
    sys.stdin.read()


def main(place: str, dsn: str) -> None:
    desk = Desk(engine_of(dsn, "psycopg2"))
    if place == "in the call":
        desk.during = lambda: stop(place)
    with desk.request("r-1") as session:
        booking = desk.book(session, commits=False)
        if place == "before the commit":
            stop(place)
        session.commit()
        if place == "forked" and os.fork() == 0:
            os.close(1)
            sys.stdin.read()
            os._exit(0)
        if place in {"after the commit", "forked"}:
            stop(place)
        desk.mail(booking)
        stop(place)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
