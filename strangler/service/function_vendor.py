"""A function that asks a vendor, such as a call of its own library, as a vendor of a service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass

from outbox.terms import check_terms
from strangler.errors import BadInput
from strangler.step.intents import Json
from strangler.step.vendor import Answer, AnswerKind


@dataclass(frozen=True, slots=True)
class FunctionVendor:
    """`ask(key, operation, body)`, which ends within `timeout_s`. It is done when it returns: nothing, or an `Answer`
    that says otherwise. What it raises says nothing of the effect.

    `key_lifetime_s`: for how long the vendor, or who reads what it was told, knows a key again; for so long it is asked
    again with the key until it is done. By default never: it is asked once, and what is unknown goes to an operator.

    >>> told = {}
    >>> bus = FunctionVendor(lambda key, operation, body: told.update({key: body}), key_lifetime_s=86_400)
    >>> bus.send("project:1:announce:100", "publish", {"name": "zlib"}).kind.value, list(told)
    ('done', ['project:1:announce:100'])
    """

    ask: Callable[[str, str, Mapping[str, Json]], Answer | None]
    _: KW_ONLY
    key_lifetime_s: float = 0.0
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        check_terms(self, error=BadInput, above_zero=("timeout_s",), from_zero=("key_lifetime_s",))

    def send(self, key: str, operation: str, body: Mapping[str, Json]) -> Answer:
        return self.ask(key, operation, body) or Answer(AnswerKind.DONE)

    def look_up(self, _key: str, _operation: str) -> Answer:
        return Answer(AnswerKind.UNSETTLED, {"reason": "it cannot be asked what it was sent"})
