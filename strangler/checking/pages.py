"""Which heading of the documentation holds the fix of a refusal. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

REFERENCE = "docs/reference/"
DEFAULT = f"{REFERENCE}check.md#a-plan-that-does-not-load"

# The first whose pattern is found in the refusal counts.
_PAGES: Sequence[tuple[str, str]] = (
    (
        r"^(nothing belongs to )?admission|^(Admission|Belongs|FoundSlots|LagPromise|WorkClass)\.",
        "admission.md#in-the-plan",
    ),
    (r"anonymous callers|derives (its|a) key|key_field", "routes.md#derived-keys"),
    (r"^route .* has key=", "routes.md#which-key-a-request-has"),
    (r"caller", "routes.md#whose-key-it-is"),
    (r"^(route|no route)\b|^Route\.", "routes.md#paths"),
    (r"^the subject's (path|status_path|hand_back_path)", "subjects.md#routes-of-the-toolkit-in-the-application"),
    (r"^subject\b|^Subject\.", "subjects.md#what-a-plan-says-of-it"),
    (r"has a (history|check)|projection|stands twice; names|no steps;|cannot travel", "check.md#steps"),
    (r"waits|waited|resumer|stays legacy after|cannot shadow|does not read its outcomes", "middle.md#in-the-plan"),
    (r"as shared|could not be moved", "check.md#what-subjects-share"),
    (r"^topics has", "check.md#topics"),
    (r"is shared by two steps", "check.md#contexts"),
    (r"HttpVendor|SmtpVendor|no vendor|operation", "vendors.md#vendors"),
    (r"\[[a-z-]+\]$|Policy|FlowPolicy|Retry\.", "policy.md#flow-policies"),
    (r"^(service|Service)\b|^Step\.|decide", "services.md#services"),
    (r"^resumer", "middle.md#the-resumer"),
    (r"^Process\.", "check.md#processes"),
    (r"column|attribute", "strangled.md#columns"),
    (r"observe|seam", "check.md#observe-against-decide"),
)


def page_of(problem: str) -> str:
    """The page and heading, as a path from the project's root.

    >>> page_of("route 'POST /orders' names a placeholder twice; give each its own name")
    'docs/reference/routes.md#paths'
    """
    return next((REFERENCE + page for pattern, page in _PAGES if re.search(pattern, problem)), DEFAULT)
