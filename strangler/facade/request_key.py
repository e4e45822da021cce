"""Which key a request has: the one it brings, the one derived from its fields, or one of its own. Pure."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from strangler.facade.body_fields import form_fields, json_fields, single, values_in_form
from strangler.facade.caller import UNKNOWN_SCOPE, CallerFailed, other_scopes, scope_of, unambiguous
from strangler.facade.idempotency import KEY_HEADER, fingerprint_of, parse_key
from strangler.facade.message import Request, values
from strangler.facade.problem import FORM_UNREADABLE, KEY_MALFORMED, KEY_MISSING, Problem
from strangler.facade.targets import Owned
from strangler.keys import Derived
from strangler.routes import Callers

UNREPEATED_SCOPE = "unrepeated"  # of keys that nobody can send: each is one request's own
DERIVED_SCOPE = "derived:"  # before a caller's scope: a derived key can be computed by others, and sent by nobody


@dataclass(frozen=True, slots=True)
class RequestKey:
    """A key in its scope. `near`: keys of the windows beside, under which an equal request of the last `within_s`
    seconds may stand. `repeatable`: another request may have it.
    """

    scope: str
    key: str
    fingerprint: bytes
    other_scopes: Sequence[str] = ()
    near: Sequence[str] = ()
    within_s: float = 0.0
    repeatable: bool = True


def key_of(
    request: Request, match: Owned, body: bytes, callers: Callers, now_s: float
) -> RequestKey | Problem | CallerFailed:
    """The header counts before the form's field, and that before what is derived."""
    sent = _sent(request, match, body)
    if isinstance(sent, Problem):
        return sent
    if sent is not None:
        return _brought(sent, request, match, body, callers)
    rule = match.route.key
    if rule == "required":
        return KEY_MISSING
    digest = _digest(rule, request, match, body) if isinstance(rule, Derived) else None
    if isinstance(rule, Derived) and digest is not None:
        scope = scope_of(callers, request.headers, digest.hex())
        if isinstance(scope, CallerFailed):
            return scope
        if scope != UNKNOWN_SCOPE:  # else strangers with equal fields would be one caller
            return _derived(DERIVED_SCOPE + scope, digest, rule.within_s, now_s)
    return RequestKey(UNREPEATED_SCOPE, uuid.uuid4().hex, b"", repeatable=False)


def _brought(
    sent: Sequence[str], request: Request, match: Owned, body: bytes, callers: Callers
) -> RequestKey | Problem | CallerFailed:
    key = parse_key(sent)
    if key is None:
        return KEY_MALFORMED
    scope = scope_of(callers, request.headers, key)
    if isinstance(scope, CallerFailed):
        return scope
    fingerprint = fingerprint_of(request.method, match.canonical + match.query, body)
    return RequestKey(scope, key, fingerprint, other_scopes(scope))


def _sent(request: Request, match: Owned, body: bytes) -> Sequence[str] | Problem | None:
    """The values in which the client has sent a key. An empty field of a form is none: nobody has filled it in.
    A form that cannot be read may bring one, so it is not taken for a request without.
    """
    in_header = values(request.headers, KEY_HEADER)
    if in_header or not match.route.key_field:
        return in_header or None
    in_form = values_in_form(request.headers, body, match.route.key_field)
    if in_form is None:
        return FORM_UNREADABLE
    return None if all(not value.strip() for value in in_form) else in_form


def _digest(rule: Derived, request: Request, match: Owned, body: bytes) -> bytes | None:
    """None where the fields are not there as they should be."""
    fields = form_fields(request.headers, body) or json_fields(request.headers, body)
    found = [text for name in rule.fields if (text := single(fields, name)) is not None]
    if len(found) < len(rule.fields):
        return None
    texts = unambiguous([request.method, match.canonical + match.query, *found])
    return hashlib.blake2b(texts, digest_size=32, person=b"strangler-fields").digest()


def _derived(scope: str, digest: bytes, within_s: float, now_s: float) -> RequestKey:
    """A window is `within_s` long, so an equal request of the last `within_s` seconds stands in this one or in the one
    before; in the one after, where the clock of another facade is ahead.
    """
    window = int(now_s // within_s)
    key, *near = (f"{digest.hex()}.{number}" for number in (window, window - 1, window + 1))
    return RequestKey(scope, key, digest, near=near, within_s=within_s)
