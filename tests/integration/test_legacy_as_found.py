"""Without its seam lines the monolith is the one that was found: it still takes orders, and says nothing of them."""

from __future__ import annotations

import sys
from pathlib import Path

from legacy_app.seam_lines import HERE, MONOLITH, strip
from strangler.local.stack import Stack
from tests.integration.legacy_shop import open_shop, order

# -P: the checkout in the working directory must not come first; the stripped copy does.
SERVE = """
import os, sys
sys.path.insert(0, {folder!r})
from legacy_app.monolith.app import create_app
from strangler.http_server import serve

assert create_app.__code__.co_filename.startswith({folder!r})
dsn, vendors = os.environ["STRANGLER_DSN"], os.environ["VENDORS_URL"]
serve(lambda: create_app(dsn, vendors), port=int(os.environ["PORT"]), workers=1, sync=True)
"""


def test_the_stripped_monolith_takes_orders_and_cancellations(stack: Stack, tmp_path: Path) -> None:
    for module in sorted((HERE / MONOLITH).rglob("*.py")):
        target = tmp_path / "legacy_app" / module.relative_to(HERE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(strip(module.read_text()))
    (tmp_path / "legacy_app" / "__init__.py").touch()
    command = (sys.executable, "-P", "-c", SERVE.format(folder=str(tmp_path)))

    with open_shop(stack, tmp_path, command=command) as shop:
        placed = shop.place(order("1", ("A", 2, 100)), Strangler_Order_Ref="pinned", Strangler_Ownership="epoch=1")
        order_ref = placed.json()["order_ref"]
        cancelled = shop.cancel(order_ref, "C1", ("A", 1))

        assert (placed.status_code, cancelled.status_code) == (201, 201)
        assert order_ref != "pinned"
        assert cancelled.json()["version"] == 2
        assert [entry["body"]["template"] for entry in shop.ledger("mail")] == [
            "order_confirmation",
            "cancellation_confirmation",
        ]
        assert shop.rows("SELECT FROM outbox.outbox") == []
        assert shop.rows("SELECT FROM strangler.seam_record") == []
