"""The tables that outbox brings into a database: the outbox, and what a consumer keeps beside its effects.

`migrate(connection, part, schema)` brings a part to its newest tables in the caller's transaction; `outbox migrate` is
the same as a command. Version tables stand in the schema that they describe.
"""

from outbox.schema.parts import Part
from outbox.schema.upgrade import Change, behind, fresh, migrate, pending, upgrade

__all__ = ["Change", "Part", "behind", "fresh", "migrate", "pending", "upgrade"]
