"""What the seams say that legacy does, held against what the services decide, on made-up or recorded events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from strangler.checking.application import Application, middle, seams
from strangler.checking.findings import Examined, Passed
from strangler.checking.made_up import MadeUp, NotTried, event_of, in_json, of_type
from strangler.checking.recorded import Recorded
from strangler.plan import Plan
from strangler.service.declaration import Service
from strangler.step.intents import Call, Intent, Json, Write, answered, to_json

if TYPE_CHECKING:
    from strangler.seam.step import SeamStep

RECORDED = "give an event as it was told: --event FILE"
TO_BEGIN = "`strangler seam suggest FILE` prints one"


class Given(dict[str, Any]):
    """What a legacy step may have returned: a mapping, whose fields are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """One event on which both sides were asked; `intents` are what they agreed to want."""

    step: str
    type: str
    source: str
    intents: Sequence[Mapping[str, Json]]


@dataclass(frozen=True, slots=True)
class Tried:
    """What a service makes of one event."""

    type: str
    source: str
    payload: Mapping[str, Any]
    wanted: Sequence[Intent]
    subject: Any
    result: Any = None


@dataclass(slots=True)
class Holding:
    """Of one plan and its application. `examined` gets the findings."""

    examined: Examined
    plan: Plan
    application: Application
    recorded: Sequence[Recorded] = ()
    held: list[HeldEvent] = field(default_factory=list)

    def run(self, only: Sequence[str]) -> None:
        """Hold each step that has a service against its seams; `only`: these."""
        self.examined.not_looked += self.application.not_looked
        ours = [one for one in self.application.strangled if one.subject == self.plan.subject.name]
        found = [step for one in ours for step in seams(one)]
        waited = {name: step for one in ours for name, step in middle(one).items()}
        if self.application.strangled and not ours:
            names = ", ".join(sorted(repr(one.subject) for one in self.application.strangled))
            problem = f"the application is Strangled of {names}, and the plan's subject is {self.plan.subject.name!r}"
            self.examined.find("seams", [f"{problem}; use one name, or no seam of it is this plan's"])
        if ours:
            self._columns()
            self._unplanned(found)
        for name, service in self.examined.services.items():
            if (not only or name in only) and service.decide is not None and name not in self.plan.projections:
                mine = [step for step in found if step.name == name]
                types = waited[name].tells if name in waited else None
                self._step(name, service, mine, types)

    def _columns(self) -> None:
        model, subject = self.application.model_of(self.plan.subject.table), self.plan.subject
        if model is None or subject.read is not None:
            return
        columns = {column.name for column in model.__table__.columns}
        lacking = [name for name in (subject.ref, subject.version, subject.owners) if name not in columns]
        self.examined.find(
            f"model {model.__name__}",
            [
                f"table {subject.table!r} has no column {name!r} in model {model.__name__}; let it inherit from "
                "Strangled.Mixin, or name its own: Subject(ref=..., version=..., owners=...)"
                for name in lacking
            ],
        )

    def _unplanned(self, found: Sequence[SeamStep]) -> None:
        known = {step.name for step in self.plan.steps}
        strangers = sorted({step.name for step in found} - known)
        self.examined.find(
            "seams", [f"a seam is of step {name!r}, which the plan does not know; use one name" for name in strangers]
        )

    def _step(self, name: str, service: Service, mine: Sequence[SeamStep], tells: Sequence[str] | None) -> None:
        if not mine:
            self._no_seam(name)
        else:
            self.examined.find(name, _types_differ(name, service, mine, tells))
        for tried in self._tried(name, service):
            self.examined.find(name, _beyond(name, service, tried))
            if mine:
                self._hold(name, tried, [step for step in mine if not step.on or tried.type in step.on])

    def _no_seam(self, name: str) -> None:
        if self.application.strangled:
            self.examined.find(name, [f"no seam of step {name!r} in the application; {TO_BEGIN}"])
        elif not self.application.speaking:
            self.examined.not_looked.append(
                Passed(f"{name}'s seam", f"nothing in this folder speaks of Strangled: no seam yet; {TO_BEGIN}")
            )
        elif not self.application.not_looked:
            self.examined.not_looked.append(
                Passed(
                    f"{name}'s seam", "no module has a Strangled at its top level; name the one that has: --app MODULE"
                )
            )

    def _tried(self, name: str, service: Service) -> Iterator[Tried]:
        decide = service.decide
        assert decide is not None  # noqa: S101 - chosen so
        for recorded in self.recorded:
            if recorded.type not in service.on:
                continue
            event = event_of(self.plan.subject.name, recorded.type, recorded.payload)
            try:
                wanted, again = _intents(decide(event)), _intents(decide(event))
                differ = to_json(wanted) != to_json(again)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - of the team's code
                said = f"{type(error).__name__}: {error}"
                problem = f"decide of {name!r} raises on a recorded {recorded.type}: {said}; such an event would park"
                self.examined.find(name, [problem])
                continue
            if differ:
                self.examined.find(name, [f"decide of {name!r} answers one event in two ways; make it pure"])
            yield self._with_subject(recorded.type, "recorded", recorded.payload, wanted, recorded.result)
        for kind in service.on if not self.recorded else ():
            made = MadeUp(self._payload())
            try:
                wanted = _intents(made.decided(decide, self.plan.subject.name, kind))
            except NotTried as error:
                why = f"decide takes no made-up {kind}, it says {error}; {RECORDED}"
                self.examined.not_looked.append(Passed(f"{name} on {kind}", why))
                continue
            except (TypeError, ValueError, RecursionError) as error:
                problem = f"decide of {name!r} answers what no event's intents are: {error}; such an event would park"
                self.examined.find(name, [problem])
                continue
            yield self._with_subject(kind, "made up", made.payload, wanted, None)

    def _payload(self) -> dict[str, Any]:
        """What the plan and the model declare of the subject."""
        model = self.application.model_of(self.plan.subject.table)
        columns = {} if model is None else self._columns_of(model)
        named = [field for route in self.plan.routes for field in getattr(route.key, "fields", ())]
        return {name: of_type(name, None) for name in named} | {
            name: of_type(name, kind) for name, kind in columns.items()
        }

    def _columns_of(self, model: type[Any]) -> Mapping[str, type | None]:
        """By attribute name; where the mapping names what was not imported, by the table's own."""
        try:
            return _types({one.key: one.columns[0] for one in model.__mapper__.column_attrs})
        except Exception as error:  # noqa: BLE001 - of SQLAlchemy, about the application's models
            why = f"its mapping does not resolve here: {error}; import what it lacks too: --app MODULE"
            about = f"model {model.__name__}"
            if about not in {one.about for one in self.examined.not_looked}:
                self.examined.not_looked.append(Passed(about, why))
            return _types({one.key: one for one in model.__table__.columns})

    def _with_subject(
        self, kind: str, source: str, payload: Mapping[str, Any], wanted: Sequence[Intent], result: Any
    ) -> Tried:
        model = self.application.model_of(self.plan.subject.table)
        known = {} if model is None else {name: one for name, one in payload.items() if name in self._columns_of(model)}
        try:
            subject = Given(payload) if model is None else model(**known)
        except (Exception, SystemExit):  # noqa: BLE001 - a model with a constructor of its own
            subject = Given(payload)
        return Tried(kind, source, payload, wanted, subject, result)

    def _hold(self, name: str, tried: Tried, mine: Sequence[SeamStep]) -> None:
        calls = _plain(tried.wanted)
        if not calls and mine:
            self.examined.not_looked.append(
                Passed(f"{name} on {tried.type}", f"decide wants nothing on that {tried.source} event; {RECORDED}")
            )
        for call in calls:
            seen, errors = _seen(mine, tried, call)
            if call in seen:
                self.held.append(HeldEvent(name, tried.type, tried.source, [call]))
            elif seen:
                self.examined.find(name, [_differ(name, tried, call, seen)])
            elif mine:
                why = f"observe says nothing of it: {'; '.join(errors) or 'it returned no intent'}; {RECORDED}"
                self.examined.not_looked.append(Passed(f"{name} on {tried.type}", why))


def _intents(said: object) -> Sequence[Intent]:
    """Those that can be stored."""
    wanted = answered(said)
    json.dumps(to_json(wanted), default=in_json)
    return wanted


def _types_differ(name: str, service: Service, mine: Sequence[SeamStep], tells: Sequence[str] | None) -> Iterator[str]:
    if tells is not None:
        if tells[0] not in (service.shadow_on or ()):
            yield (
                f"service {name!r} is not held against what its seam tells; add {tells[0]!r} to its shadow_on, or "
                "nothing in shadow is compared"
            )
        return
    followed = {kind for step in mine for kind in step.on}
    for kind in sorted(set(service.on) - followed):
        yield f"no seam of {name!r} has {kind!r} in `on`, and its service acts on it; add it, or what is due is unknown"
    for kind in sorted(followed - set(service.on)):
        yield f"a seam of {name!r} follows {kind!r}, on which its service does nothing; add it to the service's `on`"


def _beyond(name: str, service: Service, tried: Tried) -> Iterator[str]:
    """What the service wants and could never do."""
    for one in _plain(tried.wanted):
        vendor, _, operation = one["target"].partition(".")
        if one["kind"] != "call":
            continue
        declared = service.vendors.get(vendor)
        if declared is None:
            known = ", ".join(service.vendors) or "none"
            yield f"decide of {name!r} calls {vendor!r}, which is no vendor of its service; its vendors: {known}"
        elif isinstance(declared, Mapping) and operation not in declared:
            known = ", ".join(declared)
            yield f"decide of {name!r} asks {vendor!r} for operation {operation!r}, which it lacks; it has {known}"


def _seen(
    mine: Sequence[SeamStep], tried: Tried, call: Mapping[str, Json]
) -> tuple[list[Mapping[str, Json]], list[str]]:
    seen: list[Mapping[str, Json]] = []
    errors: list[str] = []
    for step in mine:
        result = call["body"] if tried.result is None else tried.result
        given = Given(result) if isinstance(result, dict) else result
        named = {name: tried.payload[name] for name in step.names if name in tried.payload}
        try:
            seen += _plain(step.observe(1, tried.subject, given, **named))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - of the team's code
            errors.append(f"{type(error).__name__}: {error}")
    return seen, errors


def _differ(name: str, tried: Tried, call: Mapping[str, Json], seen: Sequence[Mapping[str, Json]]) -> str:
    near = next((one for one in seen if one["target"] == call["target"]), seen[0])
    where = f"on a {tried.source} {tried.type}"
    if (near["kind"], near["target"]) != (call["kind"], call["target"]):
        ways = f"observe says {near['kind']} {near['target']}, decide {call['kind']} {call['target']}"
        return f"observe and decide of {name!r} differ {where}: {ways}; every effect would be a MISMATCH, use one"
    ours, theirs = call["body"], near["body"]
    fields = sorted(key for key in {*ours, *theirs} if ours.get(key, call) != theirs.get(key, near))
    told = ", ".join(f"{key} ({_lack(key, theirs)} observed, {_lack(key, ours)} decided)" for key in fields)
    return f"observe and decide of {name!r} differ {where} in {told}; each would be a MISMATCH, make them one"


def _lack(field: str, body: Mapping[str, Json]) -> str:
    return "none" if field not in body else type(body[field]).__name__


def _plain(intents: Sequence[Intent]) -> list[Mapping[str, Json]]:
    """Those that a judge compares, as they are stored."""
    compared = [one for one in intents if isinstance(one, Call | Write)]
    return [json.loads(json.dumps(one, default=in_json)) for one in to_json(compared)]


def _types(columns: Mapping[str, Any]) -> Mapping[str, type | None]:
    """The Python type of each column; strangling's own are not told."""
    ours = ("subject_ref", "version", "ownership")
    found = {}
    for name, column in columns.items():
        try:
            kind = column.type.python_type
        except (NotImplementedError, AttributeError):
            kind = None
        if name not in ours:
            found[name] = kind
    return found
