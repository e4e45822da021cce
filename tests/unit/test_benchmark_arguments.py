"""A benchmark's result goes to the file of the client it was asked for."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import file_of, read_arguments


@pytest.mark.parametrize(
    ("argv", "file"),
    [
        ([], "relay_drain.json"),
        (["--client", "python"], "relay_drain.json"),
        (["--client", "fast"], "relay_drain.fast.json"),
    ],
)
def test_a_client_that_is_not_the_default_is_in_the_files_name(
    argv: list[str], file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTBOX_KAFKA_CLIENT", raising=False)
    assert file_of("relay_drain", read_arguments(argv).client) == file
