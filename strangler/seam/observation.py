"""What a seam writes down of one run of a step, as JSON text. Whatever cannot be seen or written is said instead."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from strangler.step.intents import Intent, Json, to_json
from strangler.step.pg_json import encode

logger = logging.getLogger(__name__)

UNOBSERVED = "unobserved"  # an intent of this kind equals no side's: the judge reports the subject


@dataclass(frozen=True, slots=True)
class Observation:
    """JSON text; None: not known, or not yet."""

    inputs: str | None
    outcome: str | None
    intents: str | None


def asked(subject_ref: str, version: int, arguments: Mapping[str, object]) -> str:
    """What a step was called with."""
    subject = {"subject_ref": subject_ref, "version": version}
    try:
        return encode({"subject": subject, "arguments": plain(arguments)})
    except Exception as error:  # noqa: BLE001 - the application's values: what cannot be read is said, not raised
        return encode({"unreadable": type(error).__name__})


def answered(
    step: str, result: object, look: Callable[[], Sequence[Intent]], inputs: str
) -> tuple[Observation, Exception | None]:
    """What a step came to, by the application's own reading of it, and the error of that."""
    try:
        return Observation(inputs, encode({"result": plain(result)}), encode(to_json(look()))), None
    except Exception as error:  # noqa: BLE001 - the application's callback: its failure is recorded, not raised
        logger.warning("seam_observation_failed", extra={"step": step, "error": type(error).__name__})
        reason = type(error).__name__  # its words may be a customer's
        intents = encode([{"kind": UNOBSERVED, "target": step, "body": {"error": reason}}])
        return Observation(inputs, encode({"observe_error": reason}), intents), error


def failed(error: BaseException, inputs: str | None = None) -> Observation:
    """How a step failed: the error's type alone, since its words may be a customer's."""
    return Observation(inputs, encode({"error": type(error).__name__}), None)


def plain(value: object) -> Json:
    """The part of a value that JSON can hold; anything else is named by its type."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case dict() | Mapping():  # the one before the other: an abstract class is asked for long
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return {"not_json": type(value).__name__}
