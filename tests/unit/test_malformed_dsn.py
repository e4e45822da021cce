"""A DSN that cannot be read: libpq quotes half the password in its error, so nobody passes that on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from outbox import Consumer, Relay
from outbox.cli import main as outbox
from outbox.errors import ConfigurationError
from strangler.addresses import Addresses
from strangler.cli import main as strangler
from strangler.contexts import Context
from strangler.service.settings import RunSettings

NOT_OF_ITS_FORM = "is not of its form; write postgresql://user:password@host:port/database"
MALFORMED = (
    "postgresql://app:s3%cret@127.0.0.1:1/shop",
    "postgresql://app:pass/s3cret@127.0.0.1:1/shop",
    "postgresql://app:pass@s3cret@127.0.0.1:1/shop",
    "host=127.0.0.1 password=pass s3cret",
)
BOOTSTRAP = "127.0.0.1:1"
MADE: dict[str, Callable[[str], object]] = {
    "relay": lambda dsn: Relay(dsn=dsn, bootstrap=BOOTSTRAP),
    "consumer": lambda dsn: Consumer(
        topics=["a"], group="g", handler=lambda _connection, _events: None, dsn=dsn, bootstrap=BOOTSTRAP
    ),
    "service": lambda dsn: RunSettings.from_environ({"STRANGLER_DSN": dsn, "KAFKA_BOOTSTRAP": BOOTSTRAP}),
    "judge": lambda dsn: Addresses({"MAIL_DSN": dsn}).context(Context("mail", "mail", (), dsn_env="MAIL_DSN")),
}


@pytest.mark.parametrize("dsn", MALFORMED)
@pytest.mark.parametrize("made", MADE)
def test_a_malformed_dsn_is_refused_when_it_is_given_and_never_shown(made: str, dsn: str) -> None:
    with pytest.raises(ConfigurationError, match=NOT_OF_ITS_FORM) as refused:
        MADE[made](dsn)
    assert "s3" not in str(refused.value)
    assert refused.value.__cause__ is refused.value.__context__ is None


@pytest.mark.parametrize("dsn", MALFORMED)
@pytest.mark.parametrize("verb", ["relay", "status", "partitions", "migrate"])
def test_the_outboxs_commands_name_the_variable_alone(verb: str, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert outbox([verb], {"STRANGLER_DSN": dsn, "KAFKA_BOOTSTRAP": BOOTSTRAP}) == 2
    said = capsys.readouterr().err
    assert f"STRANGLER_DSN {NOT_OF_ITS_FORM}" in said
    assert "s3" not in said


@pytest.mark.parametrize("dsn", MALFORMED)
@pytest.mark.parametrize("named", ["--dsn", "STRANGLER_DSN", "STRANGLER_JUDGE_DSN"])
def test_stranglers_command_names_the_flag_or_the_variable_alone(
    named: str, dsn: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STRANGLER_DSN", raising=False)
    if named != "--dsn":
        monkeypatch.setenv(named, dsn)
    argv = ["status", "--plan", "legacy_app/plan/plan.py", *([named, dsn] if named == "--dsn" else [])]
    assert strangler(argv) == 2
    said = capsys.readouterr().err
    assert f"strangler: {named} {NOT_OF_ITS_FORM}" in said
    assert "s3" not in said


@pytest.mark.parametrize(
    "dsn", ["postgresql://app:s3%25cret@a,b:1,2/shop", "host=/tmp user=app", "postgresql:///shop?host=@socket"]
)
def test_what_libpq_takes_is_taken(dsn: str) -> None:
    assert RunSettings.from_environ({"STRANGLER_DSN": dsn, "KAFKA_BOOTSTRAP": BOOTSTRAP}).dsn == dsn
