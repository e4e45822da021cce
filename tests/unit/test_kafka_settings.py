"""How Kafka is reached: read once from the environment, contradictions refused with the fix, no secret ever shown."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from outbox.errors import ConfigurationError
from outbox.kafka_settings import VARIABLES, KafkaSettings, SaslMechanism, SecurityProtocol

SECRET = "hush-hush"
SASL = {
    "KAFKA_BOOTSTRAP": "kafka:9093",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "app",
    "KAFKA_SASL_PASSWORD": SECRET,
}


def test_an_address_alone_is_a_kafka_without_tls_and_sasl() -> None:
    settings = KafkaSettings.from_environ({"KAFKA_BOOTSTRAP": "a:9092,[::1]:9092", "PATH": "/bin"})

    assert settings == KafkaSettings.of("a:9092,[::1]:9092")
    assert settings.addresses == ("a:9092", "[::1]:9092")
    assert settings.security_protocol is SecurityProtocol.PLAINTEXT


def test_what_is_given_is_taken(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("CAFILE", "CERTFILE", "KEYFILE")}
    for file in files.values():
        file.write_text("pem")
    tls = {f"KAFKA_SSL_{name}": str(file) for name, file in files.items()}
    settings = KafkaSettings.from_environ(SASL | tls | {"KAFKA_SSL_KEY_PASSWORD": "k", "KAFKA_SSL_CHECK_HOSTNAME": "0"})

    assert settings == KafkaSettings(
        "kafka:9093",
        SecurityProtocol.SASL_SSL,
        SaslMechanism.SCRAM_SHA_512,
        "app",
        SECRET,
        ssl_cafile=str(files["CAFILE"]),
        ssl_certfile=str(files["CERTFILE"]),
        ssl_keyfile=str(files["KEYFILE"]),
        ssl_key_password="k",
        ssl_check_hostname=False,
    )


def test_a_password_may_come_by_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    by_file = {name: value for name, value in SASL.items() if name != "KAFKA_SASL_PASSWORD"}

    settings = KafkaSettings.from_environ(by_file | {"KAFKA_SASL_PASSWORD_FILE": str(file)})

    assert settings == KafkaSettings.from_environ(SASL)


def test_a_secrets_file_that_is_no_text_is_named_and_not_shown(tmp_path: Path) -> None:
    (file := tmp_path / "password").write_bytes(SECRET.encode() + b"\xff")
    given = {**SASL, "KAFKA_SASL_PASSWORD": "", "KAFKA_SASL_PASSWORD_FILE": str(file)}
    with pytest.raises(ConfigurationError, match="KAFKA_SASL_PASSWORD_FILE names a file that is no UTF-8") as refused:
        KafkaSettings.from_environ(given)
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__


def test_secrets_are_not_shown() -> None:
    settings = dataclasses.replace(KafkaSettings.from_environ(SASL), ssl_certfile="cert.pem", ssl_key_password=SECRET)

    assert SECRET not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    "address",
    ["", "kafka", "kafka:x", "kafka:9092,", "::1:9092", "[::1]", "kafka://k:9092", f"app:{SECRET}@k:9092", "a:1 b:2"],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"KAFKA_BOOTSTRAP is not .*\[::1\]:9092") as refused:
        KafkaSettings.from_environ({"KAFKA_BOOTSTRAP": address})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"KAFKA_SASL_USER": "x"}, "unknown setting KAFKA_SASL_USER; did you mean KAFKA_SASL_USERNAME"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "x"}, "did you mean KAFKA_BOOTSTRAP?"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "is 'TLS'; it must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL"},
            "KAFKA_SASL_MECHANISM is set, and KAFKA_SECURITY_PROTOCOL is SSL; set that",
        ),
        ({"KAFKA_SECURITY_PROTOCOL": ""}, "KAFKA_SECURITY_PROTOCOL is PLAINTEXT; set that to SASL_SSL"),
        ({"KAFKA_SASL_MECHANISM": "GSSAPI"}, "one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"),
        ({"KAFKA_SASL_MECHANISM": ""}, "SASL_SSL, which needs KAFKA_SASL_MECHANISM; set it"),
        ({"KAFKA_SASL_PASSWORD": ""}, "needs KAFKA_SASL_PASSWORD"),
        ({"KAFKA_SASL_PASSWORD_FILE": "/tmp/x"}, "KAFKA_SASL_PASSWORD and KAFKA_SASL_PASSWORD_FILE are both set"),
        (
            {"KAFKA_SASL_PASSWORD": "", "KAFKA_SASL_PASSWORD_FILE": SECRET},
            "KAFKA_SASL_PASSWORD_FILE names no file that can be read: No such file or directory; set it to one",
        ),
        ({"KAFKA_SASL_USERNAME": "a,b"}, "which SCRAM would read as something else"),
        ({"KAFKA_SSL_CAFILE": "/no/file"}, "KAFKA_SSL_CAFILE names no file that can be read: No such file"),
        ({"KAFKA_SSL_KEYFILE": __file__}, "KAFKA_SSL_KEYFILE is set without KAFKA_SSL_CERTFILE"),
        ({"KAFKA_SSL_KEY_PASSWORD": SECRET}, "KAFKA_SSL_KEY_PASSWORD is set without KAFKA_SSL_CERTFILE, so nothing"),
        ({"KAFKA_SSL_CHECK_HOSTNAME": "no"}, "KAFKA_SSL_CHECK_HOSTNAME is 'no'; it must be one of 0, 1"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SSL_CAFILE": __file__}, "set that to SASL_SSL, or leave"),
    ],
)
def test_what_contradicts_itself_stops_the_start_with_the_fix(bad: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        KafkaSettings.from_environ(SASL | bad)
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)


def test_variables_of_others_that_begin_alike_may_stand_beside_them() -> None:
    others = {"KAFKA": "apache", "KAFKA_OPTS": "-Xmx1g", "KAFKA_HOME": "/opt/kafka"}

    assert KafkaSettings.from_environ(SASL | others) == KafkaSettings.from_environ(SASL)


def test_the_reference_says_what_every_variable_means() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "kafka.md").read_text()

    assert [f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items()] == [
        line for line in page.splitlines() if line.startswith("| `KAFKA")
    ]
