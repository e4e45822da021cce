"""kafka-python's network, closed with all that hangs on it, and what every client of it is given.

Left to itself it keeps sockets and a thread when a client cannot start, and sockets of connections that are being made,
or have something left to write, when one is closed. A process that tries again and again would collect them.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.net.selector import NetworkSelector

from outbox.errors import AccessDenied, ConfigurationError, DependencyDown
from outbox.kafka.python_connections import REFUSALS, Connections, Untrusted
from outbox.kafka_settings import KafkaSettings

BOOTSTRAP_TIMEOUT_MS = 5_000  # a client that finds no broker within it does not start


class Network(KafkaNetClient):  # type: ignore[misc] # kafka-python has no types
    """Give it to a client as `kafka_client`."""

    def __init__(self, **config: object) -> None:
        net = NetworkSelector(**config)
        super().__init__(net=net, manager=Connections(net, **config), **config)

    @property
    def failure(self) -> BaseException | None:
        """Why the last connection was not made; None if it was."""
        return self._manager.failure  # type: ignore[no-any-return] # kafka-python has no types

    def close(self, node_id: object = None) -> None:
        """Repeatable. Without `node_id`, the thread has ended and every socket is closed on the return."""
        if node_id is not None or self._net._closed:
            super().close(node_id)
            return
        self._manager.close()
        self._net.stop()
        self._net.drain()  # what is about to begin opens its socket now, not while the rest is being closed
        watched = [key.fileobj for key in self._net._selector.get_map().values()]
        self._net.close()
        for one in watched:
            one.close()


class _Secret(str):
    """kafka-python logs its arguments at DEBUG."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


@contextmanager
def connecting(kafka: KafkaSettings) -> Iterator[Mapping[str, Any]]:
    """The arguments of kafka-python that say where to go, as whom, and by which network.

    An error of the client inside closes the network under it, and is told as `AccessDenied` or `DependencyDown`.
    """
    made: list[Network] = []

    def make(**config: object) -> Network:
        made.append(Network(**config))
        return made[-1]

    try:
        yield {**_arguments(kafka), "bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS, "kafka_client": make}
    except BaseException as error:
        for network in made:
            network.close()
        if isinstance(error, KafkaError | OSError):
            failures = [network.failure for network in made if network.failure is not None]
            raise _told(kafka, failures[-1] if failures else error) from error
        raise


def _arguments(kafka: KafkaSettings) -> dict[str, Any]:
    protocol = kafka.security_protocol
    arguments: dict[str, Any] = {"bootstrap_servers": list(kafka.addresses), "security_protocol": protocol.value}
    if protocol.is_tls:
        arguments["ssl_context"] = _tls(kafka)
    if kafka.sasl_mechanism is not None:
        _keep_secrets_out_of_logs()
        arguments["sasl_mechanism"] = kafka.sasl_mechanism.value
        arguments |= {"sasl_plain_username": kafka.sasl_username, "sasl_plain_password": _Secret(kafka.sasl_password)}
    return arguments


def _tls(kafka: KafkaSettings) -> ssl.SSLContext:
    """Made here, so that a bad file stops the start and is read once, not by every connection."""
    name = "KAFKA_SSL_CAFILE"
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_cafile)
        context.check_hostname = kafka.ssl_check_hostname
        if kafka.ssl_certfile:
            name = "KAFKA_SSL_CERTFILE, its key or the key's password"
            # A password of its own: without one OpenSSL would ask the terminal.
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, kafka.ssl_key_password or "")
    except (ssl.SSLError, OSError) as error:
        raise ConfigurationError(f"{name} cannot be used: {error}; give PEM files that belong together") from error
    return context


def _keep_secrets_out_of_logs() -> None:
    """At DEBUG these loggers of kafka-python write every request, so with PLAIN the password."""
    for name in ("kafka.net.connection", "kafka.protocol.parser"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))


def _told(kafka: KafkaSettings, failure: BaseException) -> AccessDenied | DependencyDown:
    at = kafka.bootstrap
    if isinstance(failure, REFUSALS):
        return AccessDenied(
            f"Kafka at {at} refuses user {kafka.sasl_username!r} by {kafka.sasl_mechanism}: {failure}; "
            "check KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD and KAFKA_SASL_MECHANISM"
        )
    if isinstance(failure, Untrusted):
        return AccessDenied(
            f"no trust between us and Kafka at {at}: {failure}; set KAFKA_SSL_CAFILE to the authority that signed its "
            "certificate, and name brokers as it does"
        )
    return DependencyDown(
        f"no Kafka at {at}: {failure!r}; is it up, is the address right, does it speak {kafka.security_protocol}?"
    )
