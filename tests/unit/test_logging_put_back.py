"""What one test configures of `logging` is gone before the next one."""

from __future__ import annotations

import logging

import pytest

from outbox.telemetry import log_to_stderr
from tests.support.logs import lines_of, logging_put_back

NAMED = "test.logging.put_back"


class Named(logging.LogRecord):
    """As an application makes its own."""


def kept() -> tuple[object, ...]:
    root, kafka = logging.root, logging.getLogger("kafka")
    state = [(one.level, list(one.handlers), one.propagate, one.disabled) for one in (root, kafka)]
    return state, root.manager.disable, logging.getLogRecordFactory()


def test_every_test_has_it(request: pytest.FixtureRequest) -> None:
    assert "logging_as_before" in request.fixturenames


def test_it_is_as_before() -> None:
    before = kept()
    with logging_put_back():
        log_to_stderr()
        logging.disable(logging.ERROR)
        logging.setLogRecordFactory(Named)
        kafka = logging.getLogger("kafka")
        kafka.propagate, kafka.disabled = False, True
        kafka.addHandler(logging.StreamHandler())
        new = logging.getLogger(f"{NAMED}.new")
        new.setLevel(logging.DEBUG)
        new.addHandler(logging.StreamHandler())
        new.addHandler(silent := logging.NullHandler())
        new.propagate, new.disabled = False, True
    assert kept() == before
    assert (new.level, new.handlers, new.propagate, new.disabled) == (logging.NOTSET, [silent], True, False)


def test_a_level_that_is_put_back_holds_at_once() -> None:
    """A logger remembers what it lets through."""
    logger = logging.getLogger(NAMED)
    with logging_put_back():
        logging.root.setLevel(logging.DEBUG)
        assert logger.isEnabledFor(logging.DEBUG)
    assert not logger.isEnabledFor(logging.DEBUG)


def test_lines_are_those_of_a_logger_and_the_ones_below_it(caplog: pytest.LogCaptureFixture) -> None:
    for name in (NAMED, f"{NAMED}.below", f"{NAMED}_beside", "kafka"):
        logging.getLogger(name).warning(name)
    assert [one.message for one in lines_of(caplog, NAMED)] == [NAMED, f"{NAMED}.below"]
