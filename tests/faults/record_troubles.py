"""What a handler of the campaign suffers from: errors of any kind, and answers that are none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence

from outbox.connection import PsycopgConnection
from outbox.consumer import Disposition, Overloaded, Poison

SLOW = "slow:once"
SLOW_S = 30.0

Error = Callable[[PsycopgConnection], object]
Answer = Callable[[Sequence[Disposition]], object]


class Unprintable(Exception):
    """Whose text nobody can have."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def _raise(make: Callable[[], BaseException]) -> Error:
    def fail(_: PsycopgConnection) -> object:
        raise make()

    return fail


def _recurse(connection: PsycopgConnection) -> object:
    return _recurse(connection)


def _swallow(connection: PsycopgConnection) -> object:
    """The transaction has failed, and nobody says so."""
    try:
        return connection.execute("SELECT 1 / 0")
    except Exception:  # noqa: BLE001 - that is the bug
        return None


ERRORS: Mapping[str, Error] = {
    "KeyError": lambda _: os.environ["NO_SUCH_SKU"],
    "JSONDecodeError": lambda _: json.loads("{"),
    "UniqueViolation": lambda connection: connection.execute("INSERT INTO once VALUES (1), (1)"),
    "CheckViolation": lambda connection: connection.execute("INSERT INTO once VALUES (-1)"),
    "NoTable": lambda connection: connection.execute("SELECT FROM nowhere"),
    "NulText": lambda connection: connection.execute("SELECT %s::text", ["\0"]),
    "Commit": lambda connection: connection.commit(),
    "Rollback": lambda connection: connection.rollback(),
    "Close": lambda connection: connection.close(),
    "Swallowed": _swallow,
    "NulError": _raise(lambda: RuntimeError("\0 and \ud800 are no text")),
    "HugeError": _raise(lambda: RuntimeError("x" * 200_000)),
    "Unprintable": _raise(Unprintable),
    "MemoryError": _raise(MemoryError),
    "RecursionError": _recurse,
    "StopIteration": _raise(StopIteration),
    "Group": _raise(lambda: ExceptionGroup("two", [KeyError("a"), ValueError("b")])),
    "Connection": _raise(lambda: ConnectionError("the vendor does not answer")),
    "Timeout": _raise(TimeoutError),
    "Overloaded": _raise(lambda: Overloaded("429", 0.2)),
    "SystemExit": _raise(lambda: SystemExit(0)),
    "SystemExitText": _raise(lambda: SystemExit("\0 bye")),
    "KeyboardInterrupt": _raise(KeyboardInterrupt),
    "GeneratorExit": _raise(GeneratorExit),
    "PoisonNul": _raise(lambda: Poison(0, "\0 no \ud800 text")),
    "PoisonNone": _raise(lambda: Poison(0, None)),  # type: ignore[arg-type] # that is the bug
    "PoisonHuge": _raise(lambda: Poison(0, "\0" * 90_000)),
    "PoisonBeyond": _raise(lambda: Poison(10_000, "no such place")),
    "PoisonBefore": _raise(lambda: Poison(-10_000, "no such place")),
    "PoisonNowhere": _raise(lambda: Poison(None, "no place")),  # type: ignore[arg-type] # that is the bug
}
EXITS = frozenset({"SystemExit", "SystemExitText", "KeyboardInterrupt", "GeneratorExit"})

ANSWERS: Mapping[str, Answer] = {
    "AnswersNone": lambda answers: [None] * len(answers),
    "AnswersTexts": lambda answers: ["applied"] * len(answers),
    "AnswersNothing": lambda _: [],
    "AnswersTooFew": lambda answers: list(answers)[1:],
    "AnswersTooMany": lambda answers: [*answers, Disposition.APPLIED],
    "AnswersNumber": lambda _: 42,
    "AnswersText": lambda _: "applied",
    "AnswersMapping": lambda answers: dict(enumerate(answers)),
    "AnswersGenerator": lambda answers: (one for one in answers),
    "AnswersLists": lambda answers: [[one] for one in answers],
    "AnswersForeign": lambda answers: ["done"] * len(answers),
}
