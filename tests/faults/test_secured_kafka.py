"""Events go from the outbox to effects over TLS and SASL, and who is not let in hears why, at once."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from outbox.errors import AccessDenied, DependencyDown
from outbox.kafka.python_admin import PythonAdmin
from outbox.kafka.python_consumer import PythonConsumer
from outbox.kafka.python_producer import PythonProducer
from outbox.kafka.python_reader import PythonReader
from outbox.kafka_settings import KafkaSettings
from strangler.local.databases import database_of
from strangler.local.doctor import Finding, examine
from strangler.local.stack import Stack
from tests.faults.secured_kafka import PASSWORD, SecuredKafka, secured_kafka
from tests.support.billing import billing
from tests.support.waiting import wait_until

QUICKLY_S = 10.0


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, kafka_kind: str) -> Iterator[SecuredKafka]:
    assert kafka_kind == "apache"
    with secured_kafka(tmp_path_factory.mktemp("secured")) as secured:
        yield secured


def test_events_become_effects_over_tls_and_sasl(secured: SecuredKafka, stack: Stack, tmp_path: Path) -> None:
    """Relay, consumer, readers and admin of the shipped example."""
    with billing(stack, secured.environ(), tmp_path / "log") as example:
        for number, mechanism in enumerate(["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"]):
            example.start(KAFKA_SASL_MECHANISM=mechanism)
            wait_until(example.streams, example.log.read_text)
            example.invoice(number, mechanism)
            wait_until(lambda: example.totals().get(mechanism) == 1, example.log.read_text)  # noqa: B023 - here, at once
            assert example.stopped() == 0, example.log.read_text()
        assert PASSWORD not in example.log.read_text()


@pytest.mark.parametrize("make", [PythonAdmin, PythonProducer, PythonReader, partial(PythonConsumer, group="nobody")])
def test_a_wrong_password_is_said_at_once_and_shown_nowhere(
    secured: SecuredKafka, make: partial[object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    began = time.monotonic()
    with pytest.raises(AccessDenied, match=r"refuses user 'app' by SCRAM-SHA-512: .*; check KAFKA_SASL") as refused:
        make(KafkaSettings.from_environ(secured.environ(KAFKA_SASL_PASSWORD="wrong-secret")))
    assert time.monotonic() - began < QUICKLY_S
    assert "wrong-secret" not in caplog.text + str(refused.value)


def test_a_certificate_of_another_authority_is_said_at_once(secured: SecuredKafka) -> None:
    began = time.monotonic()
    with pytest.raises(AccessDenied, match=r"CERTIFICATE_VERIFY_FAILED.*; set KAFKA_SSL_CAFILE"):
        PythonAdmin(KafkaSettings.from_environ(secured.environ(KAFKA_SSL_CAFILE=str(secured.stranger))))
    assert time.monotonic() - began < QUICKLY_S


def test_who_comes_without_tls_hears_what_was_spoken(secured: SecuredKafka) -> None:
    with pytest.raises(DependencyDown, match="does it speak PLAINTEXT"):
        PythonAdmin(secured.bootstrap)


def test_the_password_is_not_logged_by_clients_that_work(
    secured: SecuredKafka, caplog: pytest.LogCaptureFixture
) -> None:
    """With PLAIN it is sent as it is."""
    caplog.set_level(logging.DEBUG)
    environ = secured.environ(KAFKA_SASL_MECHANISM="PLAIN")
    with closing(PythonAdmin(KafkaSettings.from_environ(environ))) as admin:
        assert admin.describe(["none"]) == {}
    assert PASSWORD not in caplog.text


def test_the_files_of_certificates_must_belong_together(secured: SecuredKafka, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_text("no key")
    environ = secured.environ(KAFKA_SSL_CERTFILE=str(secured.authority), KAFKA_SSL_KEYFILE=str(other))
    with pytest.raises(Exception, match="KAFKA_SSL_CERTFILE, its key or the key's password cannot be used"):
        PythonAdmin(KafkaSettings.from_environ(environ))


def test_a_relay_that_is_not_let_in_ends_at_once_with_the_reason(secured: SecuredKafka, database: str) -> None:
    environ = {**os.environ, **secured.environ(KAFKA_SASL_PASSWORD="wrong-secret"), "STRANGLER_DSN": database}
    environ["OUTBOX_SLOT"] = f"outbox_{database_of(database)}"
    argv = [sys.executable, "-m", "outbox", "relay"]
    ended = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=QUICKLY_S, check=False)
    assert ended.returncode == 2
    assert "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD" in ended.stderr
    assert "wrong-secret" not in ended.stdout + ended.stderr


def test_the_doctor_comes_in_as_clients_do(secured: SecuredKafka, tmp_path: Path) -> None:
    def found(**kafka: str) -> list[Finding]:
        every = examine(tmp_path, secured.bootstrap, secured.environ(**kafka))
        return [finding for finding in every if "Kafka answers" in finding.need]

    assert [finding.ok for finding in found()] == [True]
    (refused,) = found(KAFKA_SASL_PASSWORD="wrong-secret")
    assert not refused.ok
    assert "check KAFKA_SASL_USERNAME" in refused.fix
    assert "wrong-secret" not in repr(refused)
