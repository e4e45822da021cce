"""The top-level fields of a request's body, as far as a key may be made of them. Pure.

A body that an application could read in another way than this module makes no field: it is forwarded as it came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from email.message import Message
from math import isfinite
from urllib.parse import parse_qsl

from strangler.facade.message import Headers, values

BODY_BYTES = 64 * 1024  # parsed before anything is known of the caller
VALUE_CHARACTERS = 1024
FORM_FIELDS = 200
KEY_FORM_FIELDS = 1000  # of a form that brings a key; its octets are as many as the facade takes
URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"

Fields = Mapping[str, Sequence[str]]
"""Each field's values in order: a form's text, a JSON scalar as JSON. What says nothing is empty."""


def json_fields(headers: Headers, body: bytes) -> Fields:
    """The members of a JSON object as JSON; a name given twice has two values. No object, list, null, empty text or
    number without an end tells two wishes apart: those are empty.
    """
    if not (_type_of(headers, body) == "application/json" or _type_of(headers, body).endswith("+json")):
        return {}
    try:
        pairs = json.loads(body.decode(), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, list[str]] = {}
    for name, value in pairs if isinstance(pairs, _Pairs) else ():
        found.setdefault(name, []).append("" if _says_nothing(value) else json.dumps(value))
    return found


def form_fields(headers: Headers, body: bytes) -> Fields:
    """The text fields of an HTML form, in either of its encodings; a file is no field."""
    kind = _type_of(headers, body)
    try:
        pairs = _pairs(kind, headers, body, FORM_FIELDS, "strict")
    except ValueError:
        return {}
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def values_in_form(headers: Headers, body: bytes, name: str) -> Sequence[str] | None:
    """One field's values in a form of any size, whatever octets the others hold; None for a form that cannot be read.
    No other body has any. ASCII comes out as it came; what is not UTF-8 comes out as something that no key has.
    """
    kinds = [_parsed("Content-Type", value) for value in values(headers, "content-type")]
    if not body or not any(kind.get_content_type() in (URLENCODED, MULTIPART) for kind in kinds):
        return []
    if len(kinds) != 1 or values(headers, "content-encoding") or not _keeps_ascii(kinds[0]):
        return None
    try:
        pairs = _pairs(kinds[0].get_content_type(), headers, body, KEY_FORM_FIELDS, "replace")
    except ValueError:
        return None
    return [value for given, value in pairs if given == name]


def single(fields: Fields, name: str) -> str | None:
    """A field's value; None where it is missing, empty, repeated, nested or too long."""
    found = fields.get(name, ())
    return found[0] if len(found) == 1 and 1 <= len(found[0]) <= VALUE_CHARACTERS else None


def _says_nothing(value: object) -> bool:
    return value is None or value == "" or isinstance(value, list) or (isinstance(value, float) and not isfinite(value))


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


def _keeps_ascii(content_type: Message) -> bool:
    """Whether a form's ASCII is ASCII in its charset."""
    try:
        return "&=%".encode(str(content_type.get_param("charset", "utf-8"))) == b"&=%"
    except (LookupError, ValueError):
        return False


def _pairs(kind: str, headers: Headers, body: bytes, most: int, errors: str) -> list[tuple[str, str]]:
    """A form's names and values in order, `most` of them; `ValueError` for what cannot be read."""
    if kind == URLENCODED:
        text = body.decode(errors=errors)
        return parse_qsl(text, keep_blank_values=True, errors=errors, max_num_fields=most)
    return _multipart(_content_type(headers), body, most, errors) if kind == MULTIPART else []


def _multipart(content_type: Message, body: bytes, most: int, errors: str) -> list[tuple[str, str]]:
    """RFC 7578; `ValueError` for what is not of its plain form."""
    boundary = str(content_type.get_param("boundary", ""))
    if not boundary:
        raise ValueError("no boundary")
    mark = b"\r\n--" + boundary.encode()
    first, *parts = (b"\r\n" + body).split(mark, most + 2)
    if first or not parts or not parts[-1].startswith(b"--") or len(parts) > most:
        raise ValueError("not the parts of a form")
    return [field for part in parts[:-1] if (field := _part(part, errors)) is not None]


def _part(part: bytes, errors: str) -> tuple[str, str] | None:
    head, blank, value = part.partition(b"\r\n\r\n")
    lines = [line.partition(":") for line in head.decode(errors=errors).split("\r\n")[1:]]
    said = [text.strip() for name, _, text in lines if name.strip().lower() == "content-disposition"]
    if not blank or len(said) != 1:
        raise ValueError("a part without its Content-Disposition")
    disposition = _parsed("Content-Disposition", said[0])
    name = disposition.get_param("name", header="content-disposition")
    is_file = disposition.get_param("filename", header="content-disposition") is not None
    return None if is_file or not isinstance(name, str) else (name, value.decode(errors=errors))
