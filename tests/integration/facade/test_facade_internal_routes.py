"""The toolkit's own routes in the application: asked with the internal token, and never by a client."""

from __future__ import annotations

from pathlib import Path

import pytest

from strangler.local.process import Running
from tests.integration.facade.client import ask, order
from tests.integration.facade.conftest import StartFacade
from tests.integration.facade.shop import JSON
from tests.support.http_stub import HANG_UP, HttpStub, Reply, Seen, answer

PLAN = Path(__file__).parents[2] / "support" / "facade_internal_plan.py"


@pytest.fixture(scope="module")
def facade(launch: StartFacade) -> Running:
    return launch(plan=PLAN, token="secret-token")


def test_a_lost_order_is_looked_up_with_the_internal_token_alone(facade: Running, app: HttpStub, key: str) -> None:
    def reply(seen: Seen) -> Reply:
        return answer(200, b"{}", JSON, "Strangler-Creation-Status: 202") if seen.method == "GET" else HANG_UP

    app.reply = reply
    got = order(facade, key, Authorization="Bearer client", Cookie="session=s")
    (sent,), (looked_up,) = app.asked("POST"), app.asked("GET")
    ref = sent.value("Strangler-Order-Ref")
    assert looked_up.target == f"/internal/strangler/subjects/{ref}"
    assert (looked_up.values("Authorization"), looked_up.values("Cookie")) == (["Bearer secret-token"], ["session=s"])
    assert sent.values("Authorization") == ["Bearer client"]
    assert (got.status, got.field("Location")) == (202, f"/strangler/status/{ref}")


@pytest.mark.parametrize(
    "target",
    [
        "/internal/strangler/subjects/r",
        "/internal/strangler/anything/else",
        "//internal%2Fstrangler/steps/s/subjects/r",
    ],
)
def test_no_client_reaches_them(facade: Running, app: HttpStub, target: str) -> None:
    assert ask(facade, "GET", target).status == ask(facade, "POST", target, b"{}").status == 404
    assert not app.seen


def test_what_a_client_may_ask_is_forwarded(facade: Running, app: HttpStub) -> None:
    assert ask(facade, "GET", "/strangler/status/r").status == 200
    assert len(app.seen) == 1
