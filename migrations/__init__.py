"""The sample's own tables, by Alembic as any application has them: a branch for each owner.

The toolkit's tables are made by `strangler migrate`, before or after. `python -m migrations` brings STRANGLER_DSN's
database to the newest revisions; `alembic` in the checkout makes new ones.
"""
