"""Alembic environment: one branch per owner, each in its own schema; every revision expands or contracts.

The address comes from `-x dsn=postgresql://...`, else from `config.attributes["dsn"]`.
"""

import psycopg
from alembic import context
from sqlalchemy import NullPool, create_engine

from strangler.alembic import include_name

dsn = context.get_x_argument(as_dictionary=True).get("dsn") or context.config.attributes["dsn"]
# libpq reads the address: it knows every form of it.
engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, include_schemas=True, include_name=include_name)
    with context.begin_transaction():
        context.run_migrations()
