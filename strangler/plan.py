"""The plan: what a team declares about its chain, one Python file, checked as a whole when it is loaded."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from reprlib import repr as shown
from typing import Self

from outbox.event import Event
from outbox.terms import check_terms
from strangler.admission.declared import Admission, admission_problems
from strangler.check import Check
from strangler.choreography.graph import Choreography
from strangler.contexts import RESUME, Context, Declared, Named, context_of, declared, imported, name_of
from strangler.errors import BadPlan
from strangler.gathering import refused
from strangler.import_path import find_modules_of
from strangler.modes.declared import Mode, mode_problems, unknown_modes
from strangler.processes import Process
from strangler.reads.declared import ReadRoute, read_problems
from strangler.routes import Callers, Route, route_problems
from strangler.shared_state.shared import Holder, Shared
from strangler.subject import Subject, subject_problems
from strangler.waits import Link, waiting_problems

__all__ = ["Callers", "Check", "Context", "Plan", "Process", "Route", "Step", "Subject", "load_plan"]


MOST_PARTITIONS = 10_000
Facets = Callable[[Event], Iterable[tuple[str, str]]]  # ("sku", "85123A"): what an event could make hot


@dataclass(frozen=True, slots=True)
class Step:
    """A link of the chain. `service` is None while nobody has built its new side; `check` adds to how it is judged.

    `name` may be the reference of a service, `package.module:NAME`: then the step has the service's name. The service
    is loaded only when asked for, since the plan belongs to the monolith, which knows nothing of the new services.
    `waiting`: what waits for it, in the business's words, after a number: "orders wait for their stock".
    `shared`: what it writes that subjects share, by name in the plan's `shared`; it cannot ramp before that is
    declared.
    `history`: its new side is of use only with the subjects from before: until `strangler backfill` has brought them,
    the step is refused shadow.
    `waits`: the chain waits for its outcome, so it may be taken over before steps that stay legacy. A service says so.
    """

    name: str
    service: Named | None = None
    check: Check | None = None
    waiting: str = ""
    shared: tuple[str, ...] = ()
    history: bool = False
    waits: bool = False
    subject: str = field(default="", repr=False, compare=False)  # the plan's

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)
        if ":" in self.name:
            object.__setattr__(self, "service", self.name)
            object.__setattr__(self, "name", name_of(self.name))

    @property
    def context(self) -> Context | None:
        """Where its new side lives; loads the service, with `BadPlan` for one that cannot be."""
        return None if self.service is None else context_of(self.service, self.subject)

    @property
    def awaited(self) -> bool:
        """Whether the chain waits for its outcome; loads the service."""
        return self.waits or (
            not (self.service is None or isinstance(self.service, Context)) and (declared(self.service).awaited)
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A chain and everything the toolkit must know of it.

    `steps` in chain order: each a `Step`, or what makes one without more to say: a service, its reference, or the bare
    name of a link that stays legacy.
    `projections` are contexts that take over no step, by name; `retention_s` is how long the topics keep an event.
    `facets` names what of an event can be hot, beside its tenant. `resumer` goes on with subjects that no request waits
    for any more: what makes the application, as `package.module:create_app`; `strangler run resume` runs it.
    Services that name no topics read the subject's. `admission` says who is let in while there is not room for all,
    `modes` which states of the business people may declare. `reads` are answered by another
    application, as far as their stages say.

    `own_tables` is the command (after `python -m`) that brings the application's own tables, in STRANGLER_DSN's
    database, up to date; `strangler up` runs it after `strangler migrate`, and either may run first.
    `own_grants` is the command that grants the roles of `strangler migrate --roles` what they need of those tables;
    their prefix follows it. With it, `strangler up` runs each process as a role of its own.
    """

    name: str
    subject: Subject
    steps: tuple[Step, ...]
    routes: tuple[Route, ...]
    topics: Mapping[str, int] = field(default_factory=dict)
    processes: tuple[Process, ...] = ()
    own_tables: tuple[str, ...] = ()
    own_grants: tuple[str, ...] = ()
    facets: Facets | None = None
    projections: Mapping[str, Named] = field(default_factory=dict)
    retention_s: float = 7 * 86_400.0
    shared: Mapping[str, Shared] = field(default_factory=dict)
    resumer: Declared | str | None = None
    choreography: Choreography | None = None
    admission: Admission | None = None
    modes: tuple[Mode, ...] = ()
    reads: tuple[ReadRoute, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.steps, list | tuple):
            raise BadPlan(f"Plan.steps is {shown(self.steps)}; give a tuple of steps")
        object.__setattr__(self, "steps", tuple(_as_step(one) for one in self.steps))
        check_terms(self, error=BadPlan, above_zero=("retention_s",))
        object.__setattr__(self, "steps", tuple(replace(one, subject=self.subject.name) for one in self.steps))
        self._refuse(_problems(self))
        if not any(isinstance(named, str) for named in self._named()):
            self._refuse(_service_problems(self))

    def checked(self) -> Self:
        """Itself, with its services loaded and judged: what `load_plan` cannot know. Raises `BadPlan`."""
        self._refuse(_service_problems(self))
        return self

    def _named(self) -> Sequence[Named]:
        named = (*(step.service for step in self.steps), *self.projections.values(), self.resumer)
        return [one for one in named if one is not None]

    def _refuse(self, found: Iterable[str]) -> None:
        problems = refused(found)
        if problems:
            raise BadPlan(f"plan {self.name!r} is refused:\n" + "\n".join(f"  - {problem}" for problem in problems))

    def step(self, name: str) -> Step:
        """The step of that name, or `BadPlan` that lists the known ones."""
        for step in self.steps:
            if step.name == name:
                return step
        known = ", ".join((*(step.name for step in self.steps), *(read.name for read in self.reads)))
        raise BadPlan(f"no step {name!r} in plan {self.name!r}; known steps: {known}")

    def movable(self, name: str) -> Step | ReadRoute:
        """What has a stage under that name; `BadPlan` that lists the known ones."""
        return next((read for read in self.reads if read.name == name), None) or self.step(name)

    def steps_of(self, resource: str) -> Sequence[str]:
        """The steps that write a shared resource."""
        return [step.name for step in self.steps if resource in step.shared]

    def tells(self, name: str) -> bool:
        """Whether a context of that name has a topic of its own: a step's events do, a projection only listens."""
        return name in self.topics and name not in self.projections

    def feeds(self, name: str) -> Mapping[str, Context]:
        """The other contexts that read what that one tells, by name. Loads the services."""
        others = self.contexts().items() if self.tells(name) else ()
        return {other: context for other, context in others if other != name and name in context.topics}

    def taken_over(self) -> Sequence[Step]:
        """The steps that have a new side, in chain order."""
        return [step for step in self.steps if step.service is not None]

    def contexts(self) -> Mapping[str, Context]:
        """Every context by name: those of the steps in chain order, then the projections. Loads the services."""
        steps = {step.name: step.service for step in self.steps if step.service is not None}
        return {name: context_of(named, self.subject.name) for name, named in {**steps, **self.projections}.items()}

    def runs(self) -> Mapping[str, Declared | str]:
        """What `strangler run` runs, by name: the services, then the resumer. Loads nothing."""
        steps = {step.name: step.service for step in self.steps if step.service is not None}
        resumer = {} if self.resumer is None else {self._resumer_name: self.resumer}
        named = {**steps, **self.projections}
        return {name: one for name, one in named.items() if not isinstance(one, Context)} | resumer

    def resumer_context(self) -> Mapping[str, Context]:
        """By its name, what the resumer reads; empty where there is none. Loads services, makes no application."""
        if self.resumer is None:
            return {}
        found = imported(self.resumer, "resumer") if isinstance(self.resumer, str) else self.resumer
        awaited = tuple(step.name for step in self.steps if step.awaited)
        context = found.context(self.subject.name) if isinstance(found, Declared) else Context(RESUME, RESUME, awaited)
        return {self._resumer_name: context}

    @property
    def _resumer_name(self) -> str:
        return RESUME if self.resumer is None or isinstance(self.resumer, str) else self.resumer.name


def _as_step(one: object) -> Step:
    match one:
        case Step():
            return one
        case str():
            return Step(one)
        case Declared():
            return Step(one.name, service=one)
        case _:
            raise BadPlan(f"Plan.steps holds {shown(one)}; give a Step, a service, its reference, or a name")


def load_plan(path: Path) -> Plan:
    """Load `plan` from a Python file; anything wrong is a `BadPlan` that says what, where and the fix.

    The plan and its services import what lies in the working directory, as under `python -m`, or beside the plan.
    """
    find_modules_of(path)
    spec = importlib.util.spec_from_file_location("strangler_loaded_plan", path)
    if not path.is_file():
        raise BadPlan(f"no plan file at {path}; give --plan FILE or set STRANGLER_PLAN")
    if spec is None or spec.loader is None:
        raise BadPlan(f"{path} is no Python file by its name; give --plan one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BadPlan:
        raise
    except (Exception, SystemExit) as error:  # a plan that ends the process would end it without a word
        raise BadPlan(f"{path} does not load: {type(error).__name__}: {error}; fix the file and try again") from error
    plan = getattr(module, "plan", None)
    if not isinstance(plan, Plan):
        raise BadPlan(f"{path} has no `plan = Plan(...)`; found {type(plan).__name__}")
    return plan


_NO_ROWS = "step {!r} has a history and keeps no rows by version; only a stateful check can judge it"


def _problems(plan: Plan) -> Iterable[str]:
    names = [step.name for step in plan.steps]
    if not names:
        yield "it has no steps; name the links of the chain in `steps`"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"step {name!r} stands twice; names are unique"
    for name in names:
        if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None or name == "epoch":
            yield f"step {name!r} cannot travel in the ownership header; use lower case letters, digits and _"
    for name, partitions in plan.topics.items():
        if not 1 <= partitions <= MOST_PARTITIONS or not name.strip():
            yield f"topics has {name!r} with {partitions} partitions; name it, and give 1 to {MOST_PARTITIONS:,}"
    for step in plan.steps:
        if step.check is not None and step.service is None:
            yield f"step {step.name!r} has a check and no service; name it as package.module:NAME, or drop the check"
    for name in sorted(set(plan.projections) & set(names)):
        yield f"projection {name!r} has the name of a step; give it another"
    yield from _shared_problems(plan)
    yield from _history_problems(plan)
    yield from subject_problems(plan.subject)
    yield from route_problems(plan.routes, plan.subject.name, plan.subject.caller)
    yield from read_problems(plan.reads, (*names, *plan.projections), plan.routes)
    yield from () if plan.admission is None else admission_problems(plan.admission)
    yield from mode_problems(plan.modes, plan.admission)


def _service_problems(plan: Plan) -> Iterable[str]:
    links = [Link(step.name, step.context.topics if step.context else None, step.awaited) for step in plan.steps]
    yield from waiting_problems(links, topics=plan.topics, resumed=plan.resumer is not None)
    for step in plan.taken_over():
        if step.history and (step.check is None or step.check.stateful is None) and not _keeps_rows(step):
            yield _NO_ROWS.format(step.name)
    known = {**plan.contexts(), **plan.resumer_context()}
    for name in () if plan.admission is None else plan.admission.promised_contexts:
        if name not in known:
            yield f"admission promises the lag of {name!r}, which is no context; it has {', '.join(known) or 'none'}"
    yield from unknown_modes(plan.contexts(), plan.modes)
    for attribute in ("schema", "group"):
        contexts = (*plan.contexts().values(), *plan.resumer_context().values())
        values = [getattr(context, attribute) for context in contexts]
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield f"{attribute} {value!r} is shared by two steps; each context has its own"


def _shared_problems(plan: Plan) -> Iterable[str]:
    for resource in sorted(plan.shared):
        if not plan.steps_of(resource):
            yield f"{resource!r} is declared as shared, but no step writes it; name it in a step's `shared`"
    for resource, shared in sorted(plan.shared.items()):
        for side in Holder:
            if side not in shared.copy_to or side not in shared.tally:
                yield f"{resource!r} could not be moved to {side}; give its copy_to and tally for both sides"


def _history_problems(plan: Plan) -> Iterable[str]:
    for step in plan.steps:
        if step.history and step.service is None:
            yield f"step {step.name!r} has a history and no new side to bring it to; give it a context"
        elif step.check is not None and step.check.stateful is False and step.history:
            yield _NO_ROWS.format(step.name)


def _keeps_rows(step: Step) -> bool:
    """Whether its service keeps one row per subject; loads the service."""
    return bool(step.context and step.context.evidence and step.context.evidence.stateful)
