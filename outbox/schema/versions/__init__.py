"""Revisions, by Alembic's rules. `upgrade` is given what executes a statement; `{schema}` is the quoted schema."""
