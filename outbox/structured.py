"""The part of RFC 9651 (structured fields) that headers here use: dictionaries of integer, boolean, string, token."""

from __future__ import annotations

import re
from collections.abc import Mapping

from outbox.errors import Undecodable

Item = int | str | bool

_KEY = r"[a-z*][a-z0-9_\-.*]*"
_TOKEN = r"[A-Za-z*][A-Za-z0-9!#$%&'*+\-.^_`|~:/]*"  # noqa: S105 - the RFC's word for a bare symbol
_VALUES = (
    r"(?P<integer>-?[0-9]{1,15})(?![0-9.])",
    r"\?(?P<boolean>[01])",
    r"\"(?P<string>(?:[ !#-\[\]-~]|\\[\"\\])*)\"",
    rf"(?P<token>{_TOKEN})",
)
_MEMBER = re.compile(rf"[ \t]*(?P<key>{_KEY})(?:=(?:{'|'.join(_VALUES)}))?[ \t]*(?:,(?P<more>)|$)")
_BARE_TOKEN = re.compile(_TOKEN)


def format_dictionary(members: Mapping[str, Item]) -> str:
    """Serialise; a `str` that is a token is written bare, any other is quoted. Printable ASCII only.

    >>> format_dictionary({"epoch": 17, "inventory": "new", "tenant": "shop 1"})
    'epoch=17, inventory=new, tenant="shop 1"'
    """
    return ", ".join(f"{_checked_key(key)}={_format_item(value)}" for key, value in members.items())


def parse_dictionary(text: str) -> dict[str, Item]:
    """Parse; a member without value is `True`, a later duplicate wins (RFC 9651 section 3.2).

    >>> parse_dictionary('epoch=17, inventory=new, dry')
    {'epoch': 17, 'inventory': 'new', 'dry': True}
    """
    members: dict[str, Item] = {}
    position, more = 0, text.strip(" ") != ""
    while more:
        match = _MEMBER.match(text, position)
        if match is None:
            raise Undecodable(f"not an RFC 9651 dictionary at character {position}: {text[:200]!r}")
        members[match["key"]] = _item(match)
        position, more = match.end(), match["more"] is not None
    return members


def _item(match: re.Match[str]) -> Item:
    if match["integer"] is not None:
        return int(match["integer"])
    if match["boolean"] is not None:
        return match["boolean"] == "1"
    if match["string"] is not None:
        return re.sub(r"\\(.)", r"\1", match["string"])
    return match["token"] if match["token"] is not None else True


def _checked_key(key: str) -> str:
    if re.fullmatch(_KEY, key) is None:
        raise ValueError(f"{key!r} is not an RFC 9651 key: use lower case letters, digits, '_', '-', '.', '*'")
    return key


def _format_item(value: Item) -> str:
    if isinstance(value, bool):
        return f"?{int(value)}"
    if isinstance(value, int):
        if abs(value) >= 10**15:
            raise ValueError(f"{value} cannot travel in a structured field: 15 digits at most")
        return str(value)
    if _BARE_TOKEN.fullmatch(value):
        return value
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{value!r} cannot travel in a structured field: printable ASCII only")
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
