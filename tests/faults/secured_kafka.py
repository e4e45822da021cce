"""An Apache Kafka with a listener for TLS with SASL on IPv6, and certificates of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from strangler.local.kafka_apache import apache_kafka
from strangler.local.ports import Ports
from strangler.local.spawner import Spawner

USER, PASSWORD = "app", "open sesame"
HOST = "[::1]"
LOGIN = "org.apache.kafka.common.security"
CONFIG = f"""\
listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},SECURE://{HOST}:%(secure_port)s
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SECURE://{HOST}:%(secure_port)s
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
inter.broker.listener.name=PLAINTEXT
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=%(keystore)s
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512,PLAIN
listener.name.secure.scram-sha-256.sasl.jaas.config={LOGIN}.scram.ScramLoginModule required;
listener.name.secure.scram-sha-512.sasl.jaas.config={LOGIN}.scram.ScramLoginModule required;
listener.name.secure.plain.sasl.jaas.config={LOGIN}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";
"""


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """Where it is, and whom to trust. `stranger` is an authority that did not sign its certificate."""

    bootstrap: str
    authority: Path
    stranger: Path

    def environ(self, **more: str) -> dict[str, str]:
        """What a client needs, SCRAM-SHA-512 unless told."""
        return {
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": PASSWORD,
            "KAFKA_SSL_CAFILE": str(self.authority),
        } | more


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """Started, and stopped at the end."""
    (folder / "logs").mkdir()
    ports, spawner = Ports(), Spawner()
    keystore, secure_port = certificate(folder, "broker"), ports.take()
    scram = [f"--add-scram={name}=[name={USER},password={PASSWORD}]" for name in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
    kafka = apache_kafka(
        folder,
        ports,
        spawner,
        more_config=CONFIG % {"keystore": keystore, "secure_port": secure_port},
        format_options=scram,
    )
    kafka.start()
    try:
        authority, stranger = folder / "broker.crt", certificate(folder, "stranger").with_suffix(".crt")
        yield SecuredKafka(f"{HOST}:{secure_port}", authority, stranger)
    finally:
        kafka.terminate(30)


def certificate(folder: Path, name: str) -> Path:
    """A key and its self-signed certificate for ::1, in one file; the certificate alone in NAME.crt."""
    key, crt, both = (folder / f"{name}.{end}" for end in ("key", "crt", "pem"))
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run(
        ["openssl", "req", *made, "-keyout", key, "-out", crt, "-addext", "subjectAltName=IP:::1"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    both.write_text(key.read_text() + crt.read_text())
    return both
