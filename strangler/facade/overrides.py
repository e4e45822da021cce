"""Fields by which some applications take a request for another one. Pure."""

from __future__ import annotations

from itertools import product

from strangler.facade.message import Headers
from strangler.facade.wire import TARGET_BYTES

METHOD_OVERRIDES = frozenset({"x-http-method-override", "x-http-method", "x-method-override"})
PATH_OVERRIDES = frozenset({"x-original-url", "x-rewrite-url"})
_OVERRIDES = METHOD_OVERRIDES | PATH_OVERRIDES
MOST_OVERRIDES = 3


def meanings(method: str, target: str, headers: Headers) -> list[tuple[str, str]] | None:
    """Every method and target that it may be taken for, as it was sent first. None where they are too many: nobody
    means that, and each pair of them takes time.
    """
    folded = [(name.lower().replace("_", "-"), value) for name, value in headers]
    fields = [(name, value.strip()) for name, value in folded if name in _OVERRIDES]
    if not fields:
        return [(method, target)]
    methods = [value.upper() for name, value in fields if name in METHOD_OVERRIDES]
    targets = [value for name, value in fields if name in PATH_OVERRIDES]
    if len(methods) + len(targets) > MOST_OVERRIDES or any(len(other) > TARGET_BYTES for other in targets):
        return None
    return list(product([method, *methods], [target, *targets]))
