"""nginx as a plain proxy, and as an upstream that only says 200: what stands at the ceiling of any facade."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.peers.environments import NoPeer
from strangler.local import Running, Stack

CONFIG = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream application {{ server {upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location = /said {{ return 200 "ok"; }}
    location / {{ proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def nginx(stack: Stack, folder: Path, upstream: str) -> Running:
    """One worker that passes all on to `upstream` (HOST:PORT), but `/said`, which it answers itself.

    Raises:
        NoPeer: it is not installed.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
    if program is None:
        raise NoPeer("peer nginx is not installed; `apt-get install nginx-light` or your system's package")
    port = stack.take_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, upstream=upstream))
    argv = [program, "-c", str(config), "-p", str(folder)]
    return stack.spawn("nginx-bench", argv, env={}, port=port, ready_path="/said")
