"""How clients reach Kafka: addresses, TLS and SASL in one value, checked as a whole before anything is opened."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from outbox.errors import ConfigurationError

BOOTSTRAP = "KAFKA_BOOTSTRAP"
_ADDRESS = r"(\[[0-9A-Fa-f:.]+(%\w+)?\]|[^\s,:\[\]/@]+):\d{1,5}"
_ADDRESSES = re.compile(rf"{_ADDRESS}(,{_ADDRESS})*")
FORM = "host:port[,host:port], an IPv6 address in brackets: [::1]:9092"


class SecurityProtocol(StrEnum):
    """What is spoken on the way to the broker, in Kafka's own words."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def is_tls(self) -> bool:
        return self in (SecurityProtocol.SSL, SecurityProtocol.SASL_SSL)

    @property
    def is_sasl(self) -> bool:
        return self in (SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL)


class SaslMechanism(StrEnum):
    """How the user and the password are proved."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where Kafka is and how to get in; every client of relay, consumers, readers and admin is made from one.

    Each field is a variable of the same name with `KAFKA_` before it (`KAFKA_SASL_USERNAME`). Secrets are kept out
    of `repr`. `ConfigurationError` names the first field that contradicts another, and the fix.

    >>> KafkaSettings("[::1]:9092,kafka.example.com:9092").addresses
    ('[::1]:9092', 'kafka.example.com:9092')
    >>> KafkaSettings("k:9093", SecurityProtocol.SASL_SSL, SaslMechanism.SCRAM_SHA_512, "app", "secret")
    KafkaSettings(bootstrap='k:9093', security_protocol=<SecurityProtocol.SASL_SSL: 'SASL_SSL'>, \
sasl_mechanism=<SaslMechanism.SCRAM_SHA_512: 'SCRAM-SHA-512'>, sasl_username='app', ssl_cafile=None, \
ssl_certfile=None, ssl_keyfile=None, ssl_check_hostname=True)
    """

    bootstrap: str
    security_protocol: SecurityProtocol = SecurityProtocol.PLAINTEXT
    sasl_mechanism: SaslMechanism | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None  # PEM of the authority that signed the brokers' certificates; the system's if None
    ssl_certfile: str | None = None  # PEM of our own certificate, where brokers ask for one
    ssl_keyfile: str | None = None  # PEM of its key; None if it stands in `ssl_certfile`
    ssl_key_password: str | None = field(default=None, repr=False)
    ssl_check_hostname: bool = True

    def __post_init__(self) -> None:
        for said in _contradictions(self):
            raise ConfigurationError(said)

    @property
    def addresses(self) -> tuple[str, ...]:
        """`host:port` of each broker to begin with."""
        return tuple(self.bootstrap.split(","))

    @classmethod
    def of(cls, kafka: KafkaSettings | str) -> KafkaSettings:
        """A plain `host:port[,host:port]` is a Kafka without TLS and SASL."""
        return kafka if isinstance(kafka, KafkaSettings) else cls(kafka)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, bootstrap: str | None = None) -> KafkaSettings:
        """Read once, at the start; an empty variable counts as not set. `bootstrap` is taken instead of its variable.

        `ConfigurationError` for an unknown or bad variable, and for a file that cannot be read. Secrets may come by
        file: `KAFKA_SASL_PASSWORD_FILE` and `KAFKA_SSL_KEY_PASSWORD_FILE` hold a path; its last line end is left out.
        """
        _refuse_unknown(environ)
        given = {name: environ.get(name) or None for name in VARIABLES}
        for name in ("KAFKA_SSL_CAFILE", "KAFKA_SSL_CERTFILE", "KAFKA_SSL_KEYFILE"):
            _require_file(name, given[name])
        protocol = _one_of(given, "KAFKA_SECURITY_PROTOCOL", SecurityProtocol)
        mechanism = _one_of(given, "KAFKA_SASL_MECHANISM", SaslMechanism)
        return cls(
            bootstrap=bootstrap or given[BOOTSTRAP] or "",
            security_protocol=SecurityProtocol(protocol or SecurityProtocol.PLAINTEXT),
            sasl_mechanism=None if mechanism is None else SaslMechanism(mechanism),
            sasl_username=given["KAFKA_SASL_USERNAME"],
            sasl_password=_secret(given, "KAFKA_SASL_PASSWORD"),
            ssl_cafile=given["KAFKA_SSL_CAFILE"],
            ssl_certfile=given["KAFKA_SSL_CERTFILE"],
            ssl_keyfile=given["KAFKA_SSL_KEYFILE"],
            ssl_key_password=_secret(given, "KAFKA_SSL_KEY_PASSWORD"),
            ssl_check_hostname=_one_of(given, "KAFKA_SSL_CHECK_HOSTNAME", ("0", "1")) != "0",
        )


VARIABLES: Mapping[str, str] = {
    BOOTSTRAP: f"Kafka's address, {FORM}",
    "KAFKA_SECURITY_PROTOCOL": f"{', '.join(SecurityProtocol)}; PLAINTEXT by default",
    "KAFKA_SASL_MECHANISM": ", ".join(SaslMechanism),
    "KAFKA_SASL_USERNAME": "who we are, with SASL",
    "KAFKA_SASL_PASSWORD": "the password; never shown",
    "KAFKA_SASL_PASSWORD_FILE": "a file with it instead",
    "KAFKA_SSL_CAFILE": "PEM of the brokers' authority; the system's by default",
    "KAFKA_SSL_CERTFILE": "PEM of our certificate, where brokers ask for one",
    "KAFKA_SSL_KEYFILE": "PEM of its key, where it is a file of its own",
    "KAFKA_SSL_KEY_PASSWORD": "of that key",
    "KAFKA_SSL_KEY_PASSWORD_FILE": "a file with it instead",
    "KAFKA_SSL_CHECK_HOSTNAME": "0: take a certificate for another host name",
}
# Others' variables begin with KAFKA_ too (KAFKA_OPTS, KAFKA_HOME): only what looks like one of these is refused.
_OURS = ("KAFKA_SASL_", "KAFKA_SSL_", "KAFKA_SECURITY", "KAFKA_BOOTSTRAP")


def _contradictions(one: KafkaSettings) -> Iterator[str]:
    if _ADDRESSES.fullmatch(one.bootstrap) is None:
        # Not the value: an address of another form may hold a password.
        yield f"KAFKA_BOOTSTRAP is {'not of its form' if one.bootstrap else 'not set'}; set it to {FORM}"
    protocol = one.security_protocol
    sasl = {
        "KAFKA_SASL_MECHANISM": one.sasl_mechanism,
        "KAFKA_SASL_USERNAME": one.sasl_username,
        "KAFKA_SASL_PASSWORD": one.sasl_password,
    }
    for name, value in sasl.items():
        if protocol.is_sasl and not value:
            yield f"KAFKA_SECURITY_PROTOCOL is {protocol}, which needs {name}; set it"
        if value and not protocol.is_sasl:
            fix = "SASL_SSL" if protocol.is_tls or one.ssl_cafile else "SASL_SSL (or SASL_PLAINTEXT, without TLS)"
            yield f"{name} is set, and KAFKA_SECURITY_PROTOCOL is {protocol}; set that to {fix}, or leave {name} out"
    if one.sasl_mechanism not in (None, SaslMechanism.PLAIN) and set(one.sasl_username or "") & set(",="):
        yield "KAFKA_SASL_USERNAME has ',' or '=', which SCRAM would read as something else; use a user without"
    tls = {
        "KAFKA_SSL_CAFILE": one.ssl_cafile,
        "KAFKA_SSL_CERTFILE": one.ssl_certfile,
        "KAFKA_SSL_KEYFILE": one.ssl_keyfile,
        "KAFKA_SSL_KEY_PASSWORD": one.ssl_key_password,
        "KAFKA_SSL_CHECK_HOSTNAME": not one.ssl_check_hostname,
    }
    for name, given in tls.items():
        if given and not protocol.is_tls:
            fix = "SASL_SSL" if protocol.is_sasl else "SSL or SASL_SSL"
            yield f"{name} is set, and KAFKA_SECURITY_PROTOCOL is {protocol}; set that to {fix}, or leave {name} out"
    if one.ssl_keyfile and not one.ssl_certfile:
        yield "KAFKA_SSL_KEYFILE is set without KAFKA_SSL_CERTFILE; set that to the certificate of the key"
    if one.ssl_key_password and not one.ssl_certfile:
        yield (
            "KAFKA_SSL_KEY_PASSWORD is set without KAFKA_SSL_CERTFILE, so nothing would read it; "
            "set that to the certificate of the key, or leave KAFKA_SSL_KEY_PASSWORD out"
        )


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if name.startswith(_OURS) and name not in VARIABLES:
            close = difflib.get_close_matches(name, VARIABLES, 1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(VARIABLES)}"
            raise ConfigurationError(f"unknown setting {name}; {hint}")


def _one_of(given: Mapping[str, str | None], name: str, allowed: type[StrEnum] | tuple[str, ...]) -> str | None:
    value = given[name]
    if value is not None and value not in tuple(allowed):
        raise ConfigurationError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")
    return value


def _secret(given: Mapping[str, str | None], name: str) -> str | None:
    value, path = given[name], given[f"{name}_FILE"]
    if path is None:
        return value
    if value is not None:
        raise ConfigurationError(f"{name} and {name}_FILE are both set; leave one of them out")
    _require_file(f"{name}_FILE", path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:  # which would quote a part of it
        raise ConfigurationError(f"{name}_FILE names a file that is no UTF-8; save it as UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r") or None


def _require_file(name: str, path: str | None) -> None:
    if path is None:
        return
    try:
        Path(path).open("rb").close()
    except OSError as error:
        # Not the value: a secret put there by mistake would be shown.
        raise ConfigurationError(
            f"{name} names no file that can be read: {error.strerror}; set it to one that this user can read"
        ) from None
