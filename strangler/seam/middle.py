"""The steps of the middle: what runs before the chain may wait for them, and what comes after, as functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from strangler.errors import BadInput
from strangler.step.intents import Json

After = Callable[[Any, Mapping[str, Json]], object]
"""`f(subject, outcome)`. What one returns counts only where it is a refusal's."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """`run(subject)` is the legacy step behind its seam; `tells`: the types of the events of its outcome."""

    name: str
    tells: tuple[str, str]
    refusals: tuple[type[Exception], ...]
    run: Callable[..., Any]
    explain: Callable[[Exception], Mapping[str, Json]]


def reason_of(error: Exception) -> Mapping[str, Json]:
    """What a refusal of legacy comes to where nothing else is said: its text."""
    return {"reason": str(error)}


@dataclass(slots=True)
class Middle:
    """What an application has declared, by step. Filled at import, then only read."""

    steps: dict[str, Awaited] = field(default_factory=dict)
    after: dict[str, After] = field(default_factory=dict)
    refused: dict[str, After] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)

    def add(self, step: Awaited) -> None:
        if step.name in self.steps:
            raise BadInput(f"awaited({step.name!r}) stands twice; a step of the middle has one function")
        self.steps[step.name] = step

    def add_after(self, name: str, function: After) -> None:
        _once(self.after, "after", name, function)

    def add_refused(self, name: str, function: After, status: int) -> None:
        """`status`: what the client is answered."""
        _once(self.refused, "refused", name, function)
        self.statuses[name] = status

    def tells(self) -> Mapping[str, tuple[str, str]]:
        """By step, the types of the events that say it is done, and that it refused."""
        return {name: step.tells for name, step in self.steps.items()}

    def names(self, functions: Sequence[object]) -> list[str]:
        """The steps of a chain, in its order, each complete; `BadInput` says what is missing."""
        by_function = {id(step.run): name for name, step in self.steps.items()}
        names = []
        for function in functions:
            name = by_function.get(id(function))
            if name is None:
                raise BadInput(f"run was given {function!r}, which is no step; decorate it with @strangled.awaited")
            names.append(name)
        self.check()
        return names

    def check(self) -> None:
        """`BadInput` lists every step that could be waited for and never gone on with."""
        problems = list(self._problems())
        if problems:
            raise BadInput("the middle is not complete:\n" + "\n".join(f"  - {problem}" for problem in problems))

    def _problems(self) -> Iterator[str]:
        for kind, functions in (("after", self.after), ("refused", self.refused)):
            for name in sorted(set(self.steps) - set(functions)):
                yield (
                    f"awaited({name!r}) has no {kind}: a subject that waits for it could not go on; "
                    f"write `@strangled.{kind}({name!r})` above a function of (subject, outcome)"
                )
            for name in sorted(set(functions) - set(self.steps)):
                yield f"{kind}({name!r}) belongs to no step; decorate one with `@strangled.awaited({name!r}, ...)`"


def _once(functions: dict[str, After], kind: str, name: str, function: After) -> None:
    if name in functions:
        raise BadInput(f"{kind}({name!r}) stands twice; a step has one")
    functions[name] = function
