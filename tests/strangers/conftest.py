"""Libraries beneath an application: those of today, and those that many still have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.test_old_application import LAST_ALEMBIC
from tests.e2e.test_packaging import OLD_APPLICATION, pip


@dataclass(frozen=True, slots=True)
class Libraries:
    """A folder that comes first on the path of every process, or none; the driver of the application."""

    folder: Path | None
    driver: str


@pytest.fixture(scope="module", params=["SQLAlchemy 2, psycopg 3", "SQLAlchemy 1.4, Flask 2.2, psycopg2"])
def libraries(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Libraries:
    if "1.4" not in request.param:
        return Libraries(None, "psycopg")
    folder = tmp_path_factory.mktemp("libraries")
    pip("install", "--no-compile", "--target", str(folder), *OLD_APPLICATION, LAST_ALEMBIC)
    return Libraries(folder, "psycopg2")
