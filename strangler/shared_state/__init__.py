"""Authority over what subjects share: one writer of record for each resource, moved by a separate audited step."""

from strangler.shared_state.move import AuthorityMoved, WantedMove, move
from strangler.shared_state.shared import Holder, Shared, other
from strangler.shared_state.table import (
    AuditedAuthority,
    Authority,
    authorities,
    authority_moves,
    ensure_authorities,
    tally,
)

__all__ = [
    "AuditedAuthority",
    "Authority",
    "AuthorityMoved",
    "Holder",
    "Shared",
    "WantedMove",
    "authorities",
    "authority_moves",
    "ensure_authorities",
    "move",
    "other",
    "tally",
]
