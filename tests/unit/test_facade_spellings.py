"""What an application resolves to an owned route is owned, with the reference that it sees, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from posixpath import normpath
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.facade.targets import AmbiguousTarget, NotOwned, Owned, Targets
from tests.unit.spellings import ROUTES, resolved, router, spelled

TARGETS = Targets(ROUTES)
EXAMPLES = 5000


@pytest.mark.parametrize("merge_slashes", [True, False])
@pytest.mark.parametrize("strict_slashes", [True, False])
def test_no_spelling_of_an_owned_request_slips_past(merge_slashes: bool, strict_slashes: bool) -> None:
    application = router(merge_slashes=merge_slashes, strict_slashes=strict_slashes)
    owned: dict[tuple[str, str], bool] = {}

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(st.binary(min_size=40, max_size=90))
    def judged_alike(choices: bytes) -> None:
        method, target = spelled(choices)
        found = resolved(application, method, target)
        owned[method, target] = found is not None
        if found is None:
            return
        match = TARGETS.match(method, target)
        if isinstance(match, AmbiguousTarget):
            return
        assert isinstance(match, Owned), (method, target)
        route, values = found
        assert (match.route, match.subject_ref) == (route, None if route.creates else values["ref"])

    judged_alike()
    assert sum(owned.values()) > 0.25 * len(owned)  # else the router had little to say


NORMALISATIONS: dict[str, Callable[[str], str]] = {
    "decode": unquote,
    "merge slashes": lambda path: re.sub("/+", "/", path),
    "eat leading slashes": lambda path: "/" + path.lstrip("/"),
    "backslashes": lambda path: path.replace("\\", "/"),
    "drop parameters": lambda path: re.sub(";[^/]*", "", path),
    "resolve dots": lambda path: re.sub("^//", "/", normpath(path)),
}
PIECES = [
    "orders",
    "o%72ders",
    "cancellations",
    "R",
    "x",
    "..",
    ".",
    "%2e%2e",
    "/",
    "//",
    "%2F",
    "%252F",
    "\\",
    "%5C",
    ";a",
]


def test_an_application_may_normalise_in_any_order() -> None:
    owned: list[bool] = []

    @settings(max_examples=2000, deadline=None)
    @given(
        st.lists(st.sampled_from(PIECES), max_size=8),
        st.lists(st.sampled_from(sorted(NORMALISATIONS)), max_size=6).filter(lambda steps: steps.count("decode") <= 3),
    )
    def judged_alike(pieces: list[str], steps: list[str]) -> None:
        path = target = "/" + "/".join(pieces) + "/../orders"
        for step in steps:
            path = NORMALISATIONS[step](path)
        owned.append(re.fullmatch("/orders(/[^/]+/cancellations)?/?", path) is not None)
        if owned[-1]:
            assert not isinstance(TARGETS.match("POST", target), NotOwned)

    judged_alike()
    assert sum(owned) > 0.05 * len(owned)
