"""The seam around a legacy step: respects ownership, and observes what the step did in the same transaction."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from strangler.ownership import Owner, Ownership
from strangler.seam.observation import answered, asked
from strangler.seam.record import SeamCall, State, record
from strangler.step.intents import Intent

if TYPE_CHECKING:
    from outbox.speaking import AnyConnection


class SeamSubject(Protocol):
    """What a seam needs of the application's subject. `ownership` is the header text stored with the subject."""

    @property
    def subject_ref(self) -> str: ...
    @property
    def version(self) -> int: ...
    @property
    def ownership(self) -> str: ...


P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound="AnyConnection")
SubjectT = TypeVar("SubjectT", bound=SeamSubject)


def seam(
    step: str, *, observe: Callable[Concatenate[SubjectT, R, P], Sequence[Intent]]
) -> Callable[[Callable[Concatenate[C, SubjectT, P], R]], Callable[Concatenate[C, SubjectT, P], R | None]]:
    """Wrap a legacy step `(connection, subject, ...)`.

    `connection` is what `outbox.append` takes. `order` has `subject_ref`, `version` and `ownership`, the header
    text that came with the request, empty for all legacy.
    Owner new: the step is skipped, None is returned. Owner legacy or shadow: it runs, and its inputs, outcome and
    the intents that `observe(subject, result, ...)` reads off are stored in the same transaction, so a rollback
    leaves nothing. An error of the step reaches the caller; an error of observing or recording never does.

        @seam("notification", observe=lambda subject, result: [Call("mail", "send", result)])
        def notify(session, subject): ...

    Cost: one round trip beside the step's own.
    """

    def wrap(function: Callable[Concatenate[C, SubjectT, P], R]) -> Callable[Concatenate[C, SubjectT, P], R | None]:
        names = list(inspect.signature(function).parameters)[2:]

        @functools.wraps(function)
        def run(connection: C, order: SubjectT, /, *args: P.args, **kwargs: P.kwargs) -> R | None:
            ownership = Ownership.from_header(order.ownership)
            if ownership.of(step) is Owner.NEW:
                return None
            arguments = {**dict(zip(names, args, strict=False)), **kwargs}
            result = function(connection, order, *args, **kwargs)
            inputs = asked(order.subject_ref, order.version, arguments)
            seen, _ = answered(step, result, lambda: observe(order, result, *args, **kwargs), inputs)
            call = SeamCall.of(order.subject_ref, order.version, step, ownership)
            record(connection, call, State.DONE, seen, joins=False)  # a connection that commits by itself records alone
            return result

        return run

    return wrap
