"""The toolkit's own routes in the monolith, as data: what is asked, and what is answered. No framework is met here."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from strangler.ownership import CREATION_STATUS_HEADER
from strangler.routes import INTERNAL_PREFIX
from strangler.seam.hand_back import TakeBack, hand_back
from strangler.seam.mapped import Columns, Model
from strangler.seam.step import Seams

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

LOOK_UP = re.compile(re.escape(INTERNAL_PREFIX) + r"subjects/(?P<ref>.+)")
HAND_BACK = re.compile(re.escape(INTERNAL_PREFIX) + r"steps/(?P<step>[^/]+)/subjects/(?P<ref>.+)")
STATUS = re.compile(r"/strangler/status/(?P<ref>.+)")
TOKEN = "STRANGLER_INTERNAL_TOKEN"  # noqa: S105 - the variable's name


@dataclass(frozen=True, slots=True)
class Asked:
    """`path` decoded, as a WSGI server gives it, below the application's own root: a reference may have a `/`."""

    method: str
    path: str
    authorization: str


@dataclass(frozen=True, slots=True)
class Answered:
    """To be sent as JSON."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Served:
    """`answer(subject)`: what the application shows of one. `guard(subject)`: whether the client at hand may see it.
    `creation_status(session, subject)`: what creating it would be answered now. `token` opens the internal routes.
    `take_back(step)`: how a step is taken back that a chain waits for; None for any other.
    """

    session: Callable[[], Session]
    seams: Seams
    model: Model
    columns: Columns
    answer: Callable[[Model], Mapping[str, Any]]
    guard: Callable[[Model], bool] | None
    creation_status: Callable[[Session, Model], int]
    token: str
    take_back: Callable[[str], TakeBack | None] = lambda _step: None

    def answered(self, asked: Asked) -> Answered | None:
        """None: not one of the toolkit's paths."""
        if found := STATUS.fullmatch(asked.path):
            return self._shown(found["ref"]) if asked.method == "GET" else _refused(405, "GET it")
        if not asked.path.startswith(INTERNAL_PREFIX):
            return None
        if not self.token or not hmac.compare_digest(asked.authorization.encode(), f"Bearer {self.token}".encode()):
            return _refused(401, f"this route needs the bearer token of {TOKEN}")
        if found := LOOK_UP.fullmatch(asked.path):
            return self.looked_up(found["ref"]) if asked.method == "GET" else _refused(405, "GET it")
        if found := HAND_BACK.fullmatch(asked.path):
            return (
                self._handed_back(found["step"], found["ref"]) if asked.method == "POST" else _refused(405, "POST it")
            )
        return _refused(404, "the toolkit has no such route")

    def looked_up(self, ref: str) -> Answered:
        """The subject, or the first of several that were made under the reference."""
        session = self.session()
        column = getattr(self.model, self.columns.ref)
        subject = session.query(self.model).filter(column.in_((ref, f"{ref}.1"))).order_by(column).first()
        if subject is None:
            return _refused(404, f"there is no subject {ref[:80]}")
        status = self.creation_status(session, subject)
        return Answered(200, self.answer(subject), {CREATION_STATUS_HEADER: str(status)})

    def repeated(self, ref: str) -> Answered | None:
        """What making the subject is answered that is there already; None where it is not."""
        found = self.looked_up(ref)
        if found.status != 200:
            return None
        return Answered(int(found.headers[CREATION_STATUS_HEADER]), found.body)

    def _shown(self, ref: str) -> Answered:
        """To the client who waits: how far it has come, and the subject itself where the guard lets it."""
        found = self.repeated(ref)
        if found is None:
            return _refused(404, f"there is no subject {ref[:80]}")
        session = self.session()
        subject = session.query(self.model).filter(getattr(self.model, self.columns.ref) == ref).one_or_none()
        may = subject is not None and self.guard is not None and self.guard(subject)
        state = {201: "done", 202: "pending"}.get(found.status, "refused")
        return Answered(200, {**(found.body if may else {}), "status": state})

    def _handed_back(self, step: str, ref: str) -> Answered:
        done = hand_back(
            self.session(), self.seams, (self.model, self.columns), step, ref, take_back=self.take_back(step)
        )
        if done.status != 200:
            return _refused(done.status, done.said)
        return Answered(200, {"step": step, "subject_ref": ref, "versions": list(done.versions)})


def shown(subject: Model) -> Mapping[str, Any]:
    """What an application shows of a subject by its own `to_dict`, else its columns, what is no JSON by its text."""
    if hasattr(subject, "to_dict"):
        told: Mapping[str, Any] = subject.to_dict()
        return told
    values = {name: getattr(subject, name) for name in inspect(type(subject)).column_attrs.keys()}  # noqa: SIM118
    plain = (bool, int, float, str, type(None))
    return {name: value if isinstance(value, plain) else str(value) for name, value in values.items()}


def _refused(status: int, said: str) -> Answered:
    return Answered(status, {"error": said})
