"""Run alembic for some branches on a database."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine


def branches_found() -> list[str]:
    """Every branch that has a revision."""
    return sorted(path.name for path in (_folder() / "versions").iterdir() if any(path.glob("*_*.py")))


def upgrade(dsn: str, branches: Sequence[str]) -> None:
    config = Config()
    config.set_main_option("script_location", str(_folder()))
    versions = [str(_folder() / "versions" / branch) for branch in branches_found()]
    config.set_main_option("version_locations", ":".join(versions))
    config.set_main_option("path_separator", ":")
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        for branch in branches:
            if branch in branches_found():
                command.upgrade(config, f"{branch}@head")
        connection.commit()
    engine.dispose()


def _folder() -> Path:
    spec = importlib.util.find_spec("migrations")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        return Path(folder)
    raise FileNotFoundError("package migrations")
