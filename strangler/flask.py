"""What enters an application on Flask: see `Strangled`."""

from __future__ import annotations

from strangler import sqlalchemy


class Strangled(sqlalchemy.Strangled):
    """`strangler.sqlalchemy.Strangled` with the request's headers, its end, and the toolkit's own routes."""
