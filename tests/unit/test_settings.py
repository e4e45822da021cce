"""Settings: read once, refused when unknown, silent about secrets."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from outbox.errors import ConfigurationError
from strangler.cli.stages import basis_points
from strangler.errors import BadInput
from strangler.settings import Settings, known_names


def test_the_environment_is_read() -> None:
    settings = Settings.from_environ(
        {"STRANGLER_DSN": "postgresql://h/d", "STRANGLER_PLAN": "mine.py", "STRANGLER_INTERNAL_TOKEN": "t", "HOME": "/"}
    )

    assert (settings.required_dsn(), settings.plan, settings.internal_token) == (
        "postgresql://h/d",
        Path("mine.py"),
        "t",
    )


def test_nothing_set_means_the_sample_and_no_database() -> None:
    settings = Settings.from_environ({"STRANGLER_DSN": ""})

    assert settings == Settings()
    with pytest.raises(BadInput, match="STRANGLER_DSN"):
        settings.required_dsn()


def test_an_unknown_name_stops_the_start_and_lists_the_known() -> None:
    with pytest.raises(BadInput, match="STRANGLER_DNS") as refused:
        Settings.from_environ({"STRANGLER_DNS": "postgresql://h/d"})

    assert all(name in str(refused.value) for name in known_names())


def test_secrets_are_shown_nowhere() -> None:
    settings = Settings.from_environ(
        {"STRANGLER_DSN": "postgresql://u:hunter2@h/d", "STRANGLER_INTERNAL_TOKEN": "hunter2"}
    )
    assert "hunter2" not in repr(settings)

    for broken in ("mysql://u:hunter2@h/d", "host=h password=hunter2 nonsense", "postgresql://u:hunter2@h:port/d"):
        with pytest.raises(ConfigurationError) as refused:
            Settings.from_environ({"STRANGLER_DSN": broken})
        assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"), [("5%", 500), ("2.5%", 250), ("0.01%", 1), ("500bp", 500), ("0%", 0), ("100%", 10_000)]
)
def test_a_share_is_read(text: str, expected: int) -> None:
    assert basis_points(text) == expected


@pytest.mark.parametrize("text", ["5", "%", "101%", "-1%", "0.001%", "1.5bp", "NaN%", "Infinity%", "half"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write 5%"):
        basis_points(text)
