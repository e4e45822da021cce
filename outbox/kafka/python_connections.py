"""kafka-python's connections: closed when they fail, and quick to say why nobody gets in.

Left to itself kafka-python leaves sockets that do not connect to the garbage collector, tries a wrong password or a
certificate that it does not trust again until its time is up, and then names neither. An answer that comes together
with the end of a connection is thrown away; a broker's refusal often does.
"""

from __future__ import annotations

import ssl
from typing import Any

from kafka.errors import KafkaConnectionError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError
from kafka.net.inet import KafkaNetSocket, create_connection
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

REFUSALS = (SaslAuthenticationFailedError, UnsupportedSaslMechanismError)


class Untrusted(KafkaConnectionError):  # type: ignore[misc] # kafka-python has no types
    """The broker's certificate is not one that we trust, or it does not trust ours."""


class _Socket(KafkaNetSocket):  # type: ignore[misc] # kafka-python has no types
    """A socket that does not connect is closed at once; kafka-python leaves it to the garbage collector."""

    SCHEMES = ("direct",)  # how kafka-python is told which class makes its sockets

    async def sock_connect(self, net: Any, sock: Any, sockaddr: object, timeout_at: float | None = None) -> object:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


class _Answering:
    """A transport that hands over what came before the end. The end is met again by the next read."""

    def _sock_recv(self) -> tuple[bytes, BaseException | None]:
        received, error = super()._sock_recv()  # type: ignore[misc] # a transport's
        return received, None if received else error


class _Plain(_Answering, KafkaTCPTransport):  # type: ignore[misc] # kafka-python has no types
    pass


class _Tls(_Answering, KafkaSSLTransport):  # type: ignore[misc] # kafka-python has no types
    pass


class Connections(KafkaConnectionManager):  # type: ignore[misc] # kafka-python has no types
    """Remembers why the last connection was not made, and does not try again what was refused."""

    def __init__(self, net: NetworkSelector, **config: object) -> None:
        super().__init__(net, **config)
        self.failure: BaseException | None = None

    def get_connection(self, node_id: object, *args: object, **kwargs: object) -> Any:
        is_new = node_id not in self._conns
        connection = super().get_connection(node_id, *args, **kwargs)
        if is_new:
            connection.init_future.add_both(self._note)
        return connection

    def maybe_raise_auth_failure(self, node_id: object) -> None:
        super().maybe_raise_auth_failure(node_id)
        if isinstance(self.failure, (*REFUSALS, Untrusted)):
            raise self.failure

    def _note(self, outcome: object) -> None:
        self.failure = outcome if isinstance(outcome, BaseException) else None

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        """As kafka-python's own, but a connection whose handshake fails is closed."""
        sock = await create_connection(
            self._net, node.host, node.port, self.config["socket_options"], proxy_url="direct:", timeout_at=timeout_at
        )
        if self.ssl_enabled:
            transport = _Tls(self._net, sock, host=node.host, ssl_context=self.config["ssl_context"])
        else:
            transport = _Plain(self._net, sock, host=node.host)
        try:
            await transport.handshake()
        except BaseException as error:
            transport.abort(error)
            if isinstance(error, ssl.SSLError) and "CERT" in str(error.reason or "").upper():
                raise Untrusted(f"TLS: {error.reason}, {getattr(error, 'verify_message', '')}") from error
            raise KafkaConnectionError(f"TLS: {error}") from error
        return transport
