"""What the application resolves to an owned route is owned, with the reference that it sees, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strangler.facade.targets import Owned, Refused, Targets
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
        if isinstance(match, Refused):
            return
        assert isinstance(match, Owned), (method, target)
        route, values = found
        assert (match.route, match.order_ref) == (route, None if route.creates_order else values["order_ref"])

    judged_alike()
    assert sum(owned.values()) > 0.25 * len(owned)  # else the router had little to say
