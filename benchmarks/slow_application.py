"""An application that answers after so many seconds: `python -m benchmarks.slow_application PORT SECONDS`."""

from __future__ import annotations

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = b'{"ok":true}'


class Slow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024  # head and body at once: in two pieces the second would wait for an acknowledgement
    delay_s = 0.0

    def do_GET(self) -> None:
        if self.path != "/ready":
            time.sleep(self.delay_s)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base has it
        """A log would be measured, too."""


if __name__ == "__main__":
    Slow.delay_s = float(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Slow).serve_forever()
