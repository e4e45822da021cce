"""A program with a stack of its own, to be killed: `python -m tests.integration.stack_program FOLDER KAFKA`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from strangler.http_server import serve
from strangler.local.stack import Stack

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def main(folder: Path, kafka: str) -> None:
    """Start PostgreSQL, Kafka and a web server with two workers, say `up`, wait for a signal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it runs in the background ignore it
    with Stack.start(folder, kafka=kafka, say=lambda _: None) as stack:
        argv = (sys.executable, "-m", "tests.integration.stack_program")
        stack.spawn("web", argv, env={}, port_env="WEB_PORT", ready_path="/")
        sys.stdout.write("up\n")
        sys.stdout.flush()
        signal.pause()


def hello() -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    return app


if __name__ == "__main__":
    if len(sys.argv) == 3:
        main(Path(sys.argv[1]), sys.argv[2])
    else:
        import os

        serve(hello, port=int(os.environ["WEB_PORT"]), workers=2)
