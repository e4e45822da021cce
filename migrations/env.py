"""Alembic environment: one branch per owner, each in its own schema; every revision expands or contracts.

The address comes from `-x dsn=postgresql://...` or from the caller's `config.attributes["connection"]`.
"""

from alembic import context
from sqlalchemy import Connection, create_engine


def run(connection: Connection) -> None:
    context.configure(connection=connection, version_table="alembic_version", transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    dsn = context.get_x_argument(as_dictionary=True)["dsn"]
    with create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1)).connect() as own:
        run(own)
        own.commit()
