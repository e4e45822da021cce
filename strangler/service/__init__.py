"""The new side of a context: declared once as a `Service`, and everything that runs it.

What the writing of services needs beside the names of `strangler` itself is here: what `writes` and `conclude` are
given, and what else can be declared. Each name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox.lazy import names_from

if TYPE_CHECKING:
    from strangler.modes.numbers import numbers_now as numbers_now
    from strangler.service.resumer import Resumer as Resumer
    from strangler.service.review import Review as Review
    from strangler.service.settings import RunSettings as RunSettings
    from strangler.step.apply import NumberedWrite as NumberedWrite
    from strangler.step.apply import emitted as emitted
    from strangler.step.effect_table import Effect as Effect
    from strangler.step.effect_table import Ending as Ending
    from strangler.step.intents import Intent as Intent
    from strangler.step.intents import Json as Json
    from strangler.step.intents import effect_key as effect_key
    from strangler.step.intents import first_number as first_number
    from strangler.step.pg_json import encode as encode
    from strangler.step.vendor import AnswerKind as AnswerKind

_HOMES = {
    "AnswerKind": "strangler.step.vendor",
    "Effect": "strangler.step.effect_table",
    "Ending": "strangler.step.effect_table",
    "Intent": "strangler.step.intents",
    "Json": "strangler.step.intents",
    "NumberedWrite": "strangler.step.apply",
    "Resumer": "strangler.service.resumer",
    "Review": "strangler.service.review",
    "RunSettings": "strangler.service.settings",
    "effect_key": "strangler.step.intents",
    "emitted": "strangler.step.apply",
    "encode": "strangler.step.pg_json",
    "first_number": "strangler.step.intents",
    "numbers_now": "strangler.modes.numbers",
}
__all__ = list(_HOMES)

if not TYPE_CHECKING:  # else every misspelled name would have a type
    __getattr__, __dir__ = names_from(__name__, _HOMES)
