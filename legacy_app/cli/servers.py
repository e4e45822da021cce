"""`serve`: the monolith under gunicorn's sync workers, as old deployments are. `vendors`: the three vendors."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from flask import Flask

from legacy_app.monolith.app import create_app
from legacy_app.vendors.app import create_vendors
from outbox.flags import whole
from strangler.errors import BadInput
from strangler.http_server import serve

VENDOR_THREADS = 64


def register(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both verbs."""
    monolith = verbs.add_parser("serve", help="serve the monolith (PORT, STRANGLER_DSN, VENDORS_URL)")
    monolith.add_argument(
        "--workers", type=whole(1, 1_000), default=8, metavar="N", help="one request each at a time (default 8)"
    )
    monolith.add_argument(
        "--timeout-s",
        type=whole(1, 3_600),
        default=2,
        metavar="S",
        help="a worker busy for longer is killed (default 2)",
    )
    monolith.set_defaults(run=run_monolith)
    vendors = verbs.add_parser("vendors", help="serve the vendors (PORT, VENDORS_ADMIN_TOKEN, VENDORS_FOLDER)")
    vendors.set_defaults(run=run_vendors)


def run_monolith(args: argparse.Namespace) -> int:
    dsn, vendors_url = _needed("STRANGLER_DSN"), _needed("VENDORS_URL")

    def make() -> Flask:
        return create_app(dsn, vendors_url)

    serve(make, port=_port(), workers=args.workers, timeout_s=args.timeout_s, sync=True)
    return 0


def run_vendors(_args: argparse.Namespace) -> int:
    token = os.environ.get("VENDORS_ADMIN_TOKEN", "")
    if not token:
        print("VENDORS_ADMIN_TOKEN is not set: nobody can turn the knobs", file=sys.stderr)
    folder = _ledgers()
    serve(lambda: create_vendors(folder, token), port=_port(), threads=VENDOR_THREADS)
    return 0


def _ledgers() -> Path:
    state, given = os.environ.get("STATE_FOLDER"), os.environ.get("VENDORS_FOLDER")
    if not given and not state:
        folder = Path(tempfile.mkdtemp(prefix="vendors-"))
        print(f"neither VENDORS_FOLDER nor STATE_FOLDER is set: ledgers are in {folder}", file=sys.stderr)
        return folder
    folder = Path(given) if given else Path(state or "") / "vendors"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"the ledgers' folder {folder} cannot be made: {error.strerror}; name another") from error
    return folder


def _needed(name: str) -> str:
    """Servers take nothing from a stack that happens to run beside them."""
    value = os.environ.get(name)
    if not value:
        raise BadInput(f"{name} is not set; set it, or let `strangler up` start the monolith")
    return value


def _port() -> int:
    text = os.environ.get("PORT", "")
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise BadInput(f"PORT is {text!r}; set it to a free port, as in PORT=8080")
    return int(text)
