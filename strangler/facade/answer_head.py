"""The head of an answer and how its body is framed for one client. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from strangler.facade.message import Response, options, phrase
from strangler.facade.wire import RequestHead, written

NO_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """`body`: whether there is one. `keeps`: the connection carries another request after it."""

    data: bytes
    body: bool
    chunked: bool
    keeps: bool


def answer_head(answer: Response, request: RequestHead | None, *, keeps: bool, date: str) -> AnswerHead:
    """For the answer to `request`, or to what was none. `date` for an answer that has none (RFC 9110 section 6.6.1)."""
    http_1_1 = request is None or request.http_1_1
    body = answer.status not in NO_BODY and (request is None or request.method != "HEAD")
    fields = [field for field in answer.headers if field[0].lower() != "transfer-encoding"]
    codings = options(answer.headers, "transfer-encoding")
    names = {name.lower() for name, _ in fields}
    chunked = False
    if body and (codings or "content-length" not in names):
        if isinstance(answer.body, bytes) and not codings:
            fields.append(("Content-Length", str(len(answer.body))))
        elif http_1_1:
            chunked = True
            fields.append(("Transfer-Encoding", ", ".join([*codings, "chunked"])))
        else:
            keeps = False  # its end is the connection's
    if "date" not in names:
        fields.append(("Date", date))
    if not keeps:
        fields.append(("Connection", "close"))
    elif not http_1_1:
        fields.append(("Connection", "keep-alive"))
    start = f"HTTP/{'1.1' if http_1_1 else '1.0'} {answer.status} {answer.reason}"
    return AnswerHead(written(start, fields), body, chunked, keeps)


def interim(status: int, reason: str, headers: list[tuple[str, str]]) -> bytes:
    """A response before the response (RFC 9110 section 15.2)."""
    return written(f"HTTP/1.1 {status} {reason or phrase(status)}", headers)
