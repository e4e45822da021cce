"""The new side of a context: declared once as a `Service`, and everything that runs it.

What the writing of services needs beside the names of `strangler` itself is here: what `writes` and `conclude` are
given, and what else can be declared. Each name is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outbox.lazy import names_from

if TYPE_CHECKING:
    from strangler.service.resumer import Resumer
    from strangler.service.review import Review
    from strangler.service.settings import RunSettings
    from strangler.step.apply import NumberedWrite, emitted
    from strangler.step.effect_table import Effect, Ending
    from strangler.step.intents import Intent, Json, effect_key, first_number
    from strangler.step.pg_json import encode
    from strangler.step.vendor import AnswerKind

__all__ = [
    "AnswerKind",
    "Effect",
    "Ending",
    "Intent",
    "Json",
    "NumberedWrite",
    "Resumer",
    "Review",
    "RunSettings",
    "effect_key",
    "emitted",
    "encode",
    "first_number",
]

_HOMES = {
    "strangler.service.resumer": ("Resumer",),
    "strangler.service.review": ("Review",),
    "strangler.service.settings": ("RunSettings",),
    "strangler.step.apply": (
        "NumberedWrite",
        "emitted",
    ),
    "strangler.step.effect_table": (
        "Effect",
        "Ending",
    ),
    "strangler.step.intents": (
        "Intent",
        "Json",
        "effect_key",
        "first_number",
    ),
    "strangler.step.pg_json": ("encode",),
    "strangler.step.vendor": ("AnswerKind",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # else every misspelled name would have a type
    __getattr__ = names_from(__name__, _HOME_OF)


def __dir__() -> list[str]:
    return __all__
