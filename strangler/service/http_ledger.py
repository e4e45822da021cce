"""A vendor's own account of what it was asked, read over HTTP page by page, within limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import requests

from strangler.errors import DependencyDown
from strangler.step.intents import Json

MAX_PAGES = 10_000
MAX_PAGE_BYTES = 32 * 1024 * 1024
MAX_BYTES = 1024 * 1024 * 1024  # of all pages: more is no ledger of one step
CHUNK_BYTES = 64 * 1024
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that was done. `answer`: what the vendor said to it, where the ledger tells."""

    key: str
    body: Mapping[str, Json]
    answer: Mapping[str, Json] = field(default_factory=dict)


def read_ledger(url: str, request: str) -> Iterator[Entry]:
    """All entries in the vendor's order, for as many pages as there are; `HttpVendor` says what a page looks like.

    `DependencyDown` where the vendor does not answer, or answers something else.
    """
    address = url.rstrip("/") + request.removeprefix("GET ")
    read, after = 0, ""
    with requests.Session() as session:
        session.trust_env = False  # no proxy of the environment stands between us and the vendor
        for _ in range(MAX_PAGES):
            text = _page(session, address, after)
            read += len(text)
            entries, following = _parsed(text, address)
            yield from (_entry(each, address) for each in entries)
            if not entries or following in ("", after):
                return
            if read > MAX_BYTES:
                break
            after = following
    raise DependencyDown(
        f"the ledger at {address} has not ended after {read} bytes; give its `ledger` a request that answers less"
    )


def _page(session: requests.Session, address: str, after: str) -> bytes:
    parameters = {"after": after} if after else None
    try:
        with session.get(address, params=parameters, timeout=TIMEOUT_S, stream=True) as response:
            response.raise_for_status()
            text = bytearray()
            for chunk in response.iter_content(CHUNK_BYTES):
                text += chunk
                if len(text) > MAX_PAGE_BYTES:
                    raise DependencyDown(
                        f"a page of the ledger at {address} has more than {MAX_PAGE_BYTES} bytes; "
                        f"let the vendor answer pages, each with `next`"
                    )
            return bytes(text)
    except requests.RequestException as error:
        raise DependencyDown(
            f"the ledger at {address} cannot be read: {type(error).__name__}; check the address, and that it runs"
        ) from error


def _parsed(text: bytes, address: str) -> tuple[list[Json], str]:
    """The entries of a page, and the place behind them; "" on the last."""
    try:
        page = json.loads(text)
    except ValueError as error:
        raise _other(address, "no JSON") from error
    if isinstance(page, list):
        return page, ""
    entries = page.get("entries") if isinstance(page, dict) else None
    if not isinstance(entries, list):
        raise _other(address, "neither an array nor an object with `entries`")
    following = page.get("next")
    return entries, "" if following is None else str(following)


def _entry(entry: Json, address: str) -> Entry:
    """`body` apart, or beside the key."""
    if not isinstance(entry, dict):
        raise _other(address, "an entry that is no object")
    others = {name: value for name, value in entry.items() if name not in ("key", "answer")}
    body, answer = entry.get("body", others), entry.get("answer")
    if not isinstance(body, dict):
        body = {"body": body}
    return Entry(str(entry.get("key") or ""), body, answer if isinstance(answer, dict) else {})


def _other(address: str, what: str) -> DependencyDown:
    return DependencyDown(
        f'the ledger at {address} answers {what}; it must be a JSON array of entries {{"key": ..., "body": ...}}, or '
        f'{{"entries": [...], "next": ...}}'
    )
