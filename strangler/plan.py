"""The plan: what a team declares about its chain, one Python file, checked as a whole when it is loaded."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from outbox.connection import PsycopgConnection
from outbox.event import Event
from strangler.authority.shared import Holder, Shared
from strangler.choreography.graph import Choreography
from strangler.errors import BadPlan
from strangler.facts import Fact, LedgerReader
from strangler.routes import Callers, Route, route_problems
from strangler.step.intents import Json
from strangler.subject import Subject, subject_problems
from strangler.waits import Link, waiting_problems

__all__ = ["Callers", "Check", "Context", "Plan", "Process", "Route", "Step", "Subject", "load_plan"]


@dataclass(frozen=True, slots=True)
class Context:
    """Where a step's new side lives: its own schema, consumer group and topics. `dsn_env` names its address.

    `policy` names its flow policy as `package.module:NAME`; it is loaded only when asked for, since the plan belongs to
    the monolith, which knows nothing of the new services. `pool`: whose threads and connections do its work, its own
    group's by default.
    """

    schema: str
    group: str
    topics: tuple[str, ...]
    dsn_env: str = "STRANGLER_DSN"
    policy: str | None = None
    pool: str | None = None


FactReader = Callable[[PsycopgConnection], Iterable[Fact]]
Identity = Callable[[Mapping[str, Json]], str]
Facets = Callable[[Event], Iterable[tuple[str, str]]]  # ("sku", "85123A"): what an event could make hot


@dataclass(frozen=True, slots=True)
class Check:
    """How a step is judged. The readers share no code with either side.

    `identity` names an effect within its order from its fields (two mails of one order differ in it).
    `stateful`: one row per order, replaced by later versions. `expected` is the oracle, read from the legacy database,
    and speaks of every order: it is asked where the new side owns, and where legacy's own record is lost. `actual`
    reads the new side; `ledger` reads what a vendor was really asked.
    With a ledger, facts of `$kind` write are rows, held against rows, and all others are calls, held against it.
    `only_asks`: the vendor's effect is an answer, so that legacy may refuse and forget the order that it asked for.
    """

    identity: Identity
    stateful: bool
    expected: FactReader
    actual: FactReader
    ledger: LedgerReader | None = None
    only_asks: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """A link of the chain. `context` and `check` are None while nobody has built its new side.

    `waiting`: what waits for it, in the business's words, after a number: "orders wait for their stock".
    `shared`: what it writes that orders share, by name in the plan's `shared`; it cannot ramp before that is declared.
    `history`: its new side is of use only with the orders from before: the command, after `python -m`, that backfills
    it; until that has been done the step is refused shadow.
    `waits`: the chain waits for its outcome, so it may be taken over before steps that stay legacy.
    """

    name: str
    context: Context | None = None
    check: Check | None = None
    waiting: str = ""
    shared: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the application that the local stack starts. `argv` follows `python -m`.

    `port_env` gets a free port when set; it is ready when `ready_path` answers 200, or, without a port, when it
    prints a line that begins with `ready`.
    """

    name: str
    argv: tuple[str, ...]
    port_env: str | None = None
    ready_path: str = "/healthz"
    url_env: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A chain and everything the toolkit must know of it.

    `projections` are contexts that take over no step; `retention_s` is how long the topics keep an event.
    `facets` names what of an event can be hot, beside its tenant. `resumer` names the process that goes on with orders
    that wait for nobody's request, `resumer_context` says what it reads, so that `strangler pressure` sees what waits
    for it.

    `own_tables` is the command (after `python -m`) that brings the application's own tables, in STRANGLER_DSN's
    database, up to date; `strangler up` runs it after `strangler migrate`, and either may run first.
    """

    name: str
    subject: Subject
    steps: tuple[Step, ...]
    routes: tuple[Route, ...]
    topics: Mapping[str, int] = field(default_factory=dict)
    processes: tuple[Process, ...] = ()
    own_tables: tuple[str, ...] = ()
    facets: Facets | None = None
    projections: Mapping[str, Context] = field(default_factory=dict)
    retention_s: float = 7 * 86_400.0
    shared: Mapping[str, Shared] = field(default_factory=dict)
    resumer: str = ""
    resumer_context: Context | None = None
    choreography: Choreography | None = None

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise BadPlan(f"plan {self.name!r} is refused:\n" + "\n".join(f"  - {problem}" for problem in problems))

    def step(self, name: str) -> Step:
        """The step of that name, or `BadPlan` that lists the known ones."""
        for step in self.steps:
            if step.name == name:
                return step
        known = ", ".join(step.name for step in self.steps)
        raise BadPlan(f"no step {name!r} in plan {self.name!r}; known steps: {known}")

    def steps_of(self, resource: str) -> Sequence[str]:
        """The steps that write a shared resource."""
        return [step.name for step in self.steps if resource in step.shared]

    def taken_over(self) -> Sequence[Step]:
        """The steps that have a new side, in chain order."""
        return [step for step in self.steps if step.context is not None]

    def contexts(self) -> Mapping[str, Context]:
        """Every context by name: those of the steps in chain order, then the projections."""
        return {step.name: step.context for step in self.steps if step.context is not None} | dict(self.projections)


def load_plan(path: Path) -> Plan:
    """Load `plan` from a Python file; anything wrong is a `BadPlan` that says what, where and the fix."""
    spec = importlib.util.spec_from_file_location("strangler_loaded_plan", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise BadPlan(f"no plan file at {path}; give --plan FILE or set STRANGLER_PLAN")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BadPlan:
        raise
    except Exception as error:
        raise BadPlan(f"{path} does not load: {type(error).__name__}: {error}; fix the file and try again") from error
    plan = getattr(module, "plan", None)
    if not isinstance(plan, Plan):
        raise BadPlan(f"{path} has no `plan = Plan(...)`; found {type(plan).__name__}")
    return plan


def _problems(plan: Plan) -> Iterable[str]:
    names = [step.name for step in plan.steps]
    if not names:
        yield "it has no steps; name the links of the chain in `steps`"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"step {name!r} stands twice; names are unique"
    for name in names:
        if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None or name == "epoch":
            yield f"step {name!r} cannot travel in the ownership header; use lower case letters, digits and _"
    taken = list(plan.taken_over())
    for step in taken:
        if step.check is None:
            yield f"step {step.name!r} has a new side but no check; what cannot be judged cannot be taken over"
    yield from waiting_problems(
        [Link(step.name, step.context.topics if step.context else None, step.waits) for step in plan.steps],
        topics=plan.topics,
        processes=[process.name for process in plan.processes],
        resumer=plan.resumer,
    )
    for name in sorted(set(plan.projections) & set(names)):
        yield f"projection {name!r} has the name of a step; give it another"
    for attribute in ("schema", "group"):
        resumer = [plan.resumer_context] if plan.resumer_context else []
        values = [getattr(context, attribute) for context in (*plan.contexts().values(), *resumer)]
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield f"{attribute} {value!r} is shared by two steps; each context has its own"
    yield from _shared_problems(plan)
    yield from _history_problems(plan)
    yield from subject_problems(plan.subject)
    yield from route_problems(plan.routes, plan.subject.name, plan.subject.caller)


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
        if step.history and step.context is None:
            yield f"step {step.name!r} has a history and no new side to bring it to; give it a context"
        elif step.history and step.check is not None and not step.check.stateful:
            yield f"step {step.name!r} has a history and keeps no rows by version; only a stateful check can judge it"
