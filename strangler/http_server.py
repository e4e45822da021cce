"""Serve a WSGI application by gunicorn inside this process, on loopback unless told otherwise."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from wsgiref.types import WSGIApplication as WsgiApp

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]  # gunicorn has no types

from strangler.local.parent import dies_with_parent

BOUNDS = {
    "limit_request_line": 8190,  # the most that gunicorn can bound
    "limit_request_fields": 100,
    "limit_request_field_size": 8190,
    "backlog": 1024,
    "worker_connections": 1000,
}


def serve(
    make_app: Callable[[], WsgiApp],
    *,
    port: int,
    host: str = "127.0.0.1",
    workers: int = 1,
    threads: int = 8,
    timeout_s: int = 30,
    sync: bool = False,
) -> None:
    """Serve until SIGTERM (requests under way are finished) or SIGINT; does not return.

    `make_app` runs in each worker after the fork, so it may open connections; what it imports should be imported
    by the caller, so that a new worker is cheap. `sync`: one request per worker at a time, and a worker busy for
    longer than `timeout_s` is killed with the request, as old deployments do. With `threads`, `timeout_s` only
    bounds a hung worker.
    """
    _Embedded(
        make_app,
        {
            **BOUNDS,
            "bind": f"{host}:{port}",
            "workers": workers,
            "threads": 1 if sync else threads,
            "worker_class": "sync" if sync else "gthread",
            "timeout": timeout_s,
            "graceful_timeout": 10,
            "keepalive": 65,  # longer than our own clients keep an idle connection
            "header_map": "drop",  # in the environ a name with `_` cannot be told from one with `-`
            "forwarded_allow_ips": "",  # no client may set SCRIPT_NAME, PATH_INFO or the scheme
            "forwarder_headers": "",
            "accesslog": None,  # it would hold subject references
            "loglevel": "warning",
            "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108 - heartbeats, no data
            "control_socket_disable": True,
            "post_fork": _post_fork(),
        },
    ).run()


class _Embedded(BaseApplication):  # type: ignore[misc]  # the same
    def __init__(self, make_app: Callable[[], WsgiApp], settings: dict[str, object]) -> None:
        self._make_app = make_app
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings.items():
            if name in self.cfg.settings:  # gunicorn 23 has no control socket to disable
                self.cfg.set(name, value)

    def load(self) -> WsgiApp:
        return self._make_app()


def _post_fork() -> Callable[[object, object], None]:
    """Workers die with the master, at once: gunicorn's own look at the parent comes seconds later."""
    ask = dies_with_parent(signal.SIGKILL)

    def post_fork(_arbiter: object, _worker: object) -> None:
        if ask is not None:
            ask()

    return post_fork
