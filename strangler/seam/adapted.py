"""A step of the application as the seam calls it: subject first, and `key` by name, whatever its own signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from strangler.errors import BadInput

KEY, VERSION = "key", "version"
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class Adapted:
    """`names`: of its parameters without subject and `key`; `needed`: those of them that have no default."""

    function: Callable[..., Any]
    subject: str
    at: int
    names: Sequence[str]
    needed: Sequence[str]
    takes_key: bool

    @classmethod
    def of(cls, function: Callable[..., Any], subject: str = "") -> Adapted:
        """`subject`: the name of the parameter that it is, by default the first. `BadInput` for none such."""
        parameters = list(inspect.signature(function).parameters.values())
        places = {one.name: at for at, one in enumerate(parameters) if one.name != KEY}
        name = subject or next(iter(places), "")
        if name not in places:
            raise BadInput(
                f"{getattr(function, '__qualname__', function)} has no parameter {name or 'for the subject'!r}; its "
                f"parameters are {', '.join(places) or 'none'}: name one of them as the subject"
            )
        others = [one for one in parameters if one.name not in (KEY, name)]
        needed = [one.name for one in others if one.default is one.empty and one.kind not in VARIABLE]
        takes_key = any(one.name == KEY or one.kind is one.VAR_KEYWORD for one in parameters)
        return cls(function, name, places[name], [one.name for one in others], needed, takes_key)

    def __call__(self, subject: Any, *args: Any, key: str, **kwargs: Any) -> Any:
        if self.takes_key:
            kwargs[KEY] = key
        if len(args) < self.at:  # what stands before the subject was given by name
            return self.function(*args, **{self.subject: subject}, **kwargs)
        return self.function(*args[: self.at], subject, *args[self.at :], **kwargs)

    def taken(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, Sequence[Any]]:
        """The subject of a call, and the other positional arguments; a subject by name is taken out of `kwargs`."""
        if self.subject in kwargs:
            return kwargs.pop(self.subject), args
        if len(args) <= self.at:
            raise TypeError(
                f"{getattr(self.function, '__qualname__', self.function)}() was called without {self.subject}"
            )
        return args[self.at], (*args[: self.at], *args[self.at + 1 :])

    def check_repeatable(self, step: str) -> None:
        """`BadInput` for a step that a hand-back could not call: it has the subject alone."""
        if self.needed:
            raise BadInput(
                f"step {step!r} needs {', '.join(self.needed)}, which a hand-back does not know; give them defaults, "
                f"or say how it is run for a stored event: strangled.step({step!r}, ..., "
                "redo=function(subject, payload, key))"
            )


def with_version(observe: Callable[..., Any]) -> Callable[..., Any]:
    """`observe` behind the version of the change that the call is for, which it gets where it has such a parameter."""
    try:
        named = inspect.signature(observe).parameters.get(VERSION)
    except ValueError:  # some of Python's own have none
        named = None
    if named is None or named.kind is not named.KEYWORD_ONLY:
        return lambda _version, *args, **kwargs: observe(*args, **kwargs)
    return lambda version, *args, **kwargs: observe(*args, version=version, **kwargs)
