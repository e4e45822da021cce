"""The world outside an application: a mail service and a bank, with keys, look-ups and ledgers. `python -m outside`.

`POST /messages`, `POST /charges`: once per Idempotency-Key, each without one is another. `GET /messages?key=K` tells of
one, `GET /messages` is the ledger in pages (`after`, `next`). `PUT /knobs {"fail": 503, "delay_s": 2}` changes answers.
"""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PAGE = 500
LOCK = threading.Lock()
BOOKS: dict = {"messages": [], "charges": []}  # entries in order: seq, key, body, requests
KNOBS: dict = {}


def asked(book, key, body):
    """The entry of that key, and whether it is new."""
    with LOCK:
        entries = BOOKS[book]
        known = next((one for one in entries if key and one["key"] == key), None)
        if known is not None:
            known["requests"] += 1
            return known
        entries.append({"seq": len(entries) + 1, "key": key, "body": body, "requests": 1})
        return entries[-1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        KNOBS.clear()
        KNOBS.update(self._body())
        self._answer(200, KNOBS)

    def do_POST(self):
        book, body = self.path.strip("/"), self._body()
        if body is None:  # who asked was killed in the middle of it
            self.close_connection = True
            return None
        if book not in BOOKS:
            return self._answer(404, {"error": "no such book"})
        if KNOBS.get("fail"):
            return self._answer(KNOBS["fail"], {"error": "not now"})
        if book == "charges" and body.get("cents", 0) > KNOBS.get("most", 100_000):
            return self._answer(402, {"error": "the card was declined"})
        entry = asked(book, self.headers.get("Idempotency-Key"), body)
        time.sleep(KNOBS.get("delay_s", 0))  # done already: who gives up waiting does not know
        return self._answer(201, {"id": entry["seq"], "charge_id": f"ch_{entry['seq']}"})

    def do_GET(self):
        url = urlsplit(self.path)
        book, query = url.path.strip("/"), {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/healthz":
            return self._answer(200, {})
        if book not in BOOKS:
            return self._answer(404, {"error": "no such book"})
        with LOCK:
            entries = list(BOOKS[book])
        if "key" in query:
            known = next((one for one in entries if one["key"] == query["key"]), None)
            return (
                self._answer(404, {"error": "never asked"})
                if known is None
                else self._answer(200, {"id": known["seq"], "charge_id": f"ch_{known['seq']}"})
            )
        page = [one for one in entries if one["seq"] > int(query.get("after", 0))][:PAGE]
        return self._answer(200, {"entries": page, "next": page[-1]["seq"] if page else None})

    def _body(self):
        length = int(self.headers.get("Content-Length", 0))
        said = self.rfile.read(length)
        return json.loads(said or b"{}") if len(said) == length else None

    def _answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
