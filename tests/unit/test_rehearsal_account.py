"""The account after the walk reaches Kafka as every process of the system does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from legacy_app.plan.plan import plan
from legacy_app.rehearsal.account import relay_account
from legacy_app.rehearsal.narrator import Narrator
from legacy_app.rehearsal.scene import Scene
from outbox.errors import ConfigurationError
from strangler.local.stack import Stack
from strangler.local.system import System


def test_the_relays_account_is_read_with_the_tls_and_sasl_of_the_environment(tmp_path: Path) -> None:
    stack = Stack(tmp_path, lambda _: None)
    stack.bootstrap = "127.0.0.1:1"
    environ = {
        "OUTBOX_TOPIC_PREFIX": "",
        "STRANGLER_DSN": "postgresql://127.0.0.1:1/none",
        "KAFKA_BOOTSTRAP": stack.bootstrap,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    }
    scene = Scene(stack, plan, System(stack, environ, lambda _: None), Narrator(sys.stderr), 0, None)

    with pytest.raises(ConfigurationError, match="SASL_SSL, which needs KAFKA_SASL_MECHANISM"):
        relay_account(scene)
