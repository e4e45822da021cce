"""What stands in a database, as `pg_dump --schema-only` says it."""

from __future__ import annotations

import subprocess

from strangler.local.postgres import SERVER, find_package

PG_DUMP = find_package() / SERVER.with_name("pg_dump")
NOISE = ("--", "\\", "SET ", "SELECT pg_catalog.set_config")


def dump(dsn: str, *, tables_expected: bool = True) -> list[str]:
    """Its statements, sorted."""
    ended = subprocess.run(
        [str(PG_DUMP), "--schema-only", dsn], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert not tables_expected or "CREATE TABLE" in ended.stdout
    lines = [line for line in ended.stdout.splitlines() if line and not line.startswith(NOISE)]
    return sorted(statement.strip() for statement in "\n".join(lines).split(";\n"))
