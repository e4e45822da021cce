"""The top-level fields of a request's body, as far as a key may be made of them. Pure.

A body that an application could read in another way than this module makes no field: it is forwarded as it came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from email.message import Message
from urllib.parse import parse_qsl

from strangler.facade.message import Headers, values

BODY_BYTES = 64 * 1024  # parsed before anything is known of the caller
VALUE_CHARACTERS = 1024
FORM_FIELDS = 200
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"

Fields = Mapping[str, Sequence[str]]
"""Each field's values in order: a form's text, a JSON scalar as JSON."""


def json_fields(headers: Headers, body: bytes) -> Fields:
    """The members of a JSON object that are no object and no list, as JSON; a name given twice has two values."""
    if not (_type_of(headers, body) == "application/json" or _type_of(headers, body).endswith("+json")):
        return {}
    try:
        pairs = json.loads(body.decode(), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, list[str]] = {}
    for name, value in pairs if isinstance(pairs, _Pairs) else ():
        found.setdefault(name, []).append("" if isinstance(value, list) else json.dumps(value))
    return found


def form_fields(headers: Headers, body: bytes) -> Fields:
    """The text fields of an HTML form, in either of its encodings; a file is no field."""
    kind = _type_of(headers, body)
    try:
        if kind == URLENCODED:
            pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS)
        else:
            pairs = _multipart(_content_type(headers), body) if kind == MULTIPART else []
    except ValueError:
        return {}
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def single(fields: Fields, name: str) -> str | None:
    """A field's value; None where it is missing, empty, repeated, nested or too long."""
    found = fields.get(name, ())
    return found[0] if len(found) == 1 and 1 <= len(found[0]) <= VALUE_CHARACTERS else None


class _Pairs(list[tuple[str, object]]):
    """A JSON object, told from a list."""


def _type_of(headers: Headers, body: bytes) -> str:
    """The media type of a body that may be parsed, else nothing."""
    if len(body) > BODY_BYTES or values(headers, "content-encoding") or len(values(headers, "content-type")) != 1:
        return ""
    kind = _content_type(headers)
    return kind.get_content_type() if str(kind.get_param("charset", "utf-8")).lower() in ("utf-8", "utf8") else ""


def _content_type(headers: Headers) -> Message:
    return _parsed("Content-Type", values(headers, "content-type")[0])


def _parsed(name: str, value: str) -> Message:
    message = Message()
    message[name] = value
    return message


def _multipart(content_type: Message, body: bytes) -> list[tuple[str, str]]:
    """RFC 7578; `ValueError` for what is not of its plain form."""
    boundary = str(content_type.get_param("boundary", ""))
    if not boundary:
        raise ValueError("no boundary")
    mark = b"\r\n--" + boundary.encode()
    first, *parts = (b"\r\n" + body).split(mark)
    if first or not parts or not parts[-1].startswith(b"--") or len(parts) > FORM_FIELDS:
        raise ValueError("not the parts of a form")
    return [field for part in parts[:-1] if (field := _part(part)) is not None]


def _part(part: bytes) -> tuple[str, str] | None:
    head, blank, value = part.partition(b"\r\n\r\n")
    lines = [line.partition(":") for line in head.decode().split("\r\n")[1:]]
    said = [text.strip() for name, _, text in lines if name.strip().lower() == "content-disposition"]
    if not blank or len(said) != 1:
        raise ValueError("a part without its Content-Disposition")
    disposition = _parsed("Content-Disposition", said[0])
    name = disposition.get_param("name", header="content-disposition")
    is_file = disposition.get_param("filename", header="content-disposition") is not None
    return None if is_file or not isinstance(name, str) else (name, value.decode())
