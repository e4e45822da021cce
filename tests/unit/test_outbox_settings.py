"""The relay's settings: read once, refused when unknown or bad, and never showing an address."""

from __future__ import annotations

import pytest

from outbox.errors import ConfigurationError
from outbox.settings import OTHERS, SETTINGS, RelaySettings, described

GIVEN = {"STRANGLER_DSN": "postgresql://app:s3cret@127.0.0.1/shop", "KAFKA_BOOTSTRAP": "127.0.0.1:9092"}


def test_defaults_are_enough_beside_the_addresses() -> None:
    settings = RelaySettings.from_environ(GIVEN)

    assert (settings.slot, settings.topic_prefix, settings.sources) == ("outbox", "outbox.event.", frozenset())
    assert not settings.skip_existing


def test_what_is_given_is_taken() -> None:
    others = {"OUTBOX_SLOT": "mine", "OUTBOX_TOPIC_PREFIX": "t1.", "OUTBOX_SKIP_EXISTING": "1", "PATH": "/bin"}
    settings = RelaySettings.from_environ(GIVEN | others)

    assert (settings.slot, settings.topic_prefix, settings.skip_existing) == ("mine", "t1.", True)


def test_settings_of_consumers_and_kill_tests_may_stand_beside_them() -> None:
    others = {
        "OUTBOX_GROUP_PREFIX": "t1.",
        "OUTBOX_POLL_REST_MS": "20",
        "OUTBOX_STOP_AT": "relay.sent:3",
    }

    assert RelaySettings.from_environ(GIVEN | others) == RelaySettings.from_environ(GIVEN)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"OUTBOX_SLOTT": "x"}, "unknown setting OUTBOX_SLOTT; did you mean OUTBOX_SLOT"),
        ({"OUTBOX_SLOT": "With-Dash"}, "OUTBOX_SLOT is 'With-Dash'"),
        ({"OUTBOX_DAYS_AHEAD": "0"}, "a whole number from 1 to 60"),
        ({"OUTBOX_DAYS_AHEAD": "seven"}, "OUTBOX_DAYS_AHEAD is 'seven'"),
        ({"OUTBOX_IN_FLIGHT_BYTES": "1"}, "OUTBOX_IN_FLIGHT_BYTES is '1'"),
        ({"OUTBOX_SKIP_EXISTING": "yes"}, "OUTBOX_SKIP_EXISTING is 'yes'"),
        ({"KAFKA_BOOTSTRAP": "127.0.0.1"}, "KAFKA_BOOTSTRAP is not of its form"),
        ({"KAFKA_BOOTSTRAP": ""}, "KAFKA_BOOTSTRAP is not set"),
        ({"STRANGLER_DSN": "mysql://app:s3cret@db/shop"}, "STRANGLER_DSN is not of its form"),
    ],
)
def test_a_bad_setting_stops_the_start_and_says_what_may_be(bad: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        RelaySettings.from_environ(GIVEN | bad)
    assert "s3cret" not in str(refused.value)


def test_the_password_is_not_shown() -> None:
    assert "s3cret" not in repr(RelaySettings.from_environ(GIVEN))


def test_the_help_names_every_setting() -> None:
    assert all(setting.name in described() for setting in SETTINGS)


def test_each_setting_that_is_known_is_described() -> None:
    said = [line.split()[0] for line in described().splitlines()]
    assert said == [one.name for one in (*SETTINGS, *OTHERS)]
