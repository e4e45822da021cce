"""What one tenant may send of a class in a second; a second's worth of it at once."""

from __future__ import annotations

BURST_S = 1.0
MANY = 10_000  # tenants that are remembered before those who have all of their quota again are forgotten


class Quotas:
    """One number for each tenant that has sent something: until when its quota is spoken for (GCRA)."""

    def __init__(self, per_s: float) -> None:
        self._each_s = 1.0 / per_s
        self._until: dict[str, float] = {}
        self._many = MANY

    def wait_s(self, tenant: str, now: float) -> float:
        """How long until the tenant may send one more; 0 or less, it may now."""
        return self._until.get(tenant, now) + self._each_s - now - max(BURST_S, self._each_s)

    def take(self, tenant: str, now: float) -> None:
        self._until[tenant] = max(self._until.get(tenant, now), now) + self._each_s
        if len(self._until) > self._many:
            self._until = {one: until for one, until in self._until.items() if until > now}
            self._many = max(MANY, 2 * len(self._until))  # else a crowd would be gone through at each request
