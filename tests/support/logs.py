"""What tests do with `logging`: read one logger's lines, and put its state back, which is the whole process's."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

Kept = tuple[int, list[logging.Handler], bool, bool]


def lines_of(caplog: pytest.LogCaptureFixture, name: str) -> Sequence[logging.LogRecord]:
    """What this logger and those below it said: a test does not choose what others of its process say."""
    return [one for one in caplog.records if f"{one.name}.".startswith(f"{name}.")]


@contextmanager
def logging_put_back() -> Iterator[None]:
    """Afterwards each logger is as it was, one made meanwhile as if nobody had configured it."""
    factory, disabled = logging.getLogRecordFactory(), logging.root.manager.disable
    before = {logger: _kept(logger) for logger in _loggers()}
    try:
        yield
    finally:
        logging.setLogRecordFactory(factory)
        if logging.root.manager.disable != disabled:
            logging.disable(disabled)
        for logger in _loggers():
            _put_back(logger, before.get(logger) or _unconfigured(logger))


def _loggers() -> list[logging.Logger]:
    made = list(logging.root.manager.loggerDict.values())  # a thread may make another
    return [logging.root, *(one for one in made if isinstance(one, logging.Logger))]


def _kept(logger: logging.Logger) -> Kept:
    return logger.level, list(logger.handlers), logger.propagate, logger.disabled


def _unconfigured(logger: logging.Logger) -> Kept:
    """But for the handler that writes nothing, which libraries add when they are imported."""
    return logging.NOTSET, [one for one in logger.handlers if isinstance(one, logging.NullHandler)], True, False


def _put_back(logger: logging.Logger, kept: Kept) -> None:
    level, handlers, logger.propagate, logger.disabled = kept
    if logger.level != level:
        logger.setLevel(level)
    if logger.handlers != handlers:
        logger.handlers[:] = handlers
