"""Clients of a peak come when they come, heed a Retry-After once, and each of them is counted once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from legacy_app.rehearsal.peak import bent, told_peak
from legacy_app.rehearsal.peak_clients import run
from tests.support.http_stub import HttpStub, Seen, answer, http_stub

ORDERS = {"method": "POST", "paths": ["/orders"], "bodies": [{"client_ref": "", "lines": []}]}


def asked(app: HttpStub, *, per_s: float = 40.0, deadline_s: float = 20.0, skip_s: float = 0.0) -> dict[str, Any]:
    flow = {"name": "checkout", "per_s": per_s, "deadline_s": deadline_s, "fields": {"X-Partner": "a"}, **ORDERS}
    port = int(app.url.rpartition(":")[2])
    load = {"port": port, "seconds": 0.5, "skip_s": skip_s, "seed": 3, "flows": [flow]}
    return dict(asyncio.run(run(load))["checkout"])


def test_each_order_has_a_client_and_a_key_of_its_own() -> None:
    with http_stub(lambda _: answer(201, b"{}", "Connection: close")) as app:
        found = asked(app)
    assert found["came"] == found["good"] == len(app.seen) > 5
    assert (
        len({one.value("Idempotency-Key") for one in app.seen}) == len({one.body for one in app.seen}) == found["came"]
    )
    assert {one.value("X-Partner") for one in app.seen} == {"a"}
    assert 0 < found["good_meanwhile"] <= found["came"]
    assert found["took_s"]["p50"] <= found["took_s"]["p99"] <= found["took_s"]["most"]


def test_who_is_told_when_to_come_back_does_so_once_with_the_same_key() -> None:
    seen: set[str | None] = set()

    def twice(one: Seen) -> bytes:
        known, key = one.value("Idempotency-Key") in seen, one.value("Idempotency-Key")
        seen.add(key)
        return answer(201 if known else 503, b"{}", "Connection: close", *([] if known else ["Retry-After: 0"]))

    with http_stub(twice) as app:
        found = asked(app)
    assert found["came"] == found["good"] == found["returned"] == found["returned_well"]
    assert len(app.seen) == 2 * found["came"]


@pytest.mark.parametrize(("status", "ended"), [(503, "refused"), (429, "refused"), (500, "failed"), (422, "failed")])
def test_what_is_no_success_is_named(status: int, ended: str) -> None:
    with http_stub(lambda _: answer(status, b"", "Connection: close")) as app:
        found = asked(app)
    assert found["came"] == found[ended] == len(app.seen)
    assert (found["returned"], found["took_s"]) == (0, {})


def test_nobody_waits_longer_than_its_deadline_and_who_comes_early_is_not_counted() -> None:
    with http_stub(lambda one: answer(200, b"") if app.held.wait(30) else one.body) as app:
        found = asked(app, deadline_s=0.2, skip_s=0.25)
        app.release()
    assert 0 < found["came"] == found["late"] < len(app.seen)


def test_a_peak_is_told_in_the_words_of_the_business() -> None:
    counts = {"came": 10, "good": 4, "refused": 5, "late": 1, "failed": 0}
    found = {"classes": {"continue": {**counts, "good": 10, "refused": 0, "late": 0}, "browse": counts}}
    assert told_peak(found)[1] == ("of 10 who looked around: 4 answered in time, 5 refused at once, 1 waited in vain")
    assert bent(found) == ["browse"]
