"""A stranger's application and the world outside it as processes, spoken to as its users do."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from strangler.local.stack import Stack

HERE = Path(__file__).resolve().parent
OUTSIDE = HERE / "outside"


@dataclass(frozen=True, slots=True)
class Application:
    """`client` keeps its cookies; `environ` is what the application runs with."""

    url: str
    outside_url: str
    client: requests.Session
    environ: Mapping[str, str]

    def send(self, method: str, path: str, **given: Any) -> requests.Response:
        return self.client.request(method, self.url + path, timeout=30, **given)

    def ledger(self, book: str) -> list[dict[str, Any]]:
        return ledger(self.outside_url, book)

    def turn(self, **knobs: Any) -> None:
        requests.put(self.outside_url + "/knobs", json=knobs, timeout=30).raise_for_status()


def ledger(outside_url: str, book: str) -> list[dict[str, Any]]:
    """All that was asked of a vendor, in order."""
    entries: list[dict[str, Any]] = []
    after = 0
    while True:
        page = requests.get(f"{outside_url}/{book}", params={"after": after}, timeout=30).json()
        if not page["entries"]:
            return entries
        entries += page["entries"]
        after = page["next"]


def on_path(*folders: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))}


def database_url(dsn: str, driver: str = "psycopg2") -> str:
    return dsn.replace("postgresql://", f"postgresql+{driver}://", 1)


@contextmanager
def running(
    stack: Stack, module: str, *, folder: Path | None = None, python: str = sys.executable, driver: str = "psycopg2"
) -> Iterator[Application]:
    """`python -m MODULE` of tests/strangers/MODULE, or of a copy in `folder`, on a database of its own."""
    name = f"{module}_{secrets.token_hex(5)}"
    dsn = stack.databases.ensure(name)
    environ = {"DATABASE_URL": database_url(dsn, driver), **on_path(folder or HERE / module, OUTSIDE)}
    outside = stack.spawn(
        f"outside-{name}", (sys.executable, "-m", "outside"), env=environ, port_env="PORT", ready_path="/healthz"
    )
    environ["OUTSIDE_URL"] = outside.url
    try:
        subprocess.run([python, "-m", module, "tables"], env={**os.environ, **environ}, check=True, timeout=60)
        served = stack.spawn(name, (python, "-m", module), env=environ, port_env="PORT", ready_path="/healthz")
        try:
            with requests.Session() as client:
                yield Application(served.url, outside.url, client, environ)
        finally:
            served.terminate()
    finally:
        outside.terminate()
        stack.databases.drop(name)
