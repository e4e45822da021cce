"""Everything that can be said against a plan without a database: the plan, its services, their policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from strangler.checking.pages import page_of
from strangler.contexts import Context, context_of, declared
from strangler.errors import BadInput, BadPlan, StranglerError
from strangler.flows.places import judge
from strangler.gathering import gathering
from strangler.plan import Plan, load_plan
from strangler.service.declaration import Service


@dataclass(frozen=True, slots=True)
class PlanFinding:
    """What is wrong, with its fix; `page` is the heading that says more."""

    about: str
    problem: str
    page: str

    @classmethod
    def of(cls, about: str, problem: str) -> PlanFinding:
        return cls(about, problem, page_of(problem))


@dataclass(frozen=True, slots=True)
class Passed:
    """What was not looked at, and what would let it be."""

    about: str
    why: str


@dataclass(slots=True)
class Examined:
    """Of one plan. `services`: those that load, by the name of their step or projection."""

    findings: list[PlanFinding] = field(default_factory=list)
    not_looked: list[Passed] = field(default_factory=list)
    services: dict[str, Service] = field(default_factory=dict)
    plan: Plan | None = None

    def find(self, about: str, problems: Iterable[str]) -> None:
        known = {finding.problem for finding in self.findings}
        new = dict.fromkeys(problem for problem in problems if problem not in known)
        self.findings += [PlanFinding.of(about, problem) for problem in new]


def examine(path: Path) -> Examined:
    """Load the plan and each of its services, whatever is wrong with the others. Raises only for a missing file."""
    examined = Examined()
    if not path.is_file():
        raise BadPlan(f"no plan file at {path}; give --plan FILE or set STRANGLER_PLAN, or begin by `strangler init`")
    with gathering() as problems:
        try:
            examined.plan = load_plan(path)
        except StranglerError as error:
            examined.find(str(path), [str(error)])
        except SystemExit as error:
            examined.find(str(path), [f"{path} does not load: it ends the process by SystemExit({error.code!r})"])
    examined.find(f"plan {path}", problems)
    if examined.plan is None:
        examined.not_looked.append(Passed("services and seams", "the plan does not load; mend it and check again"))
        return examined
    _services(examined, examined.plan)
    return examined


def _services(examined: Examined, plan: Plan) -> None:
    named = {**{step.name: step.service for step in plan.steps if step.service is not None}, **plan.projections}
    contexts: dict[str, Context] = {}
    for name, service in named.items():
        try:
            contexts[name] = context_of(service, plan.subject.name)
            found = None if isinstance(service, Context) else declared(service)
        except BadInput as error:
            examined.find(name, _split(str(error)))
            continue
        if isinstance(found, Service):
            examined.services[name] = found
        else:
            examined.not_looked.append(Passed(name, "no Service of the toolkit's: it is run by something else"))
    if len(contexts) < len(named):
        lacking = ", ".join(name for name in named if name not in contexts)
        examined.not_looked.append(Passed("policies together", f"{lacking} did not load; mend that and check again"))
        return
    _together(examined, plan)


def _split(message: str) -> list[str]:
    """A service says all that is wrong with it, a line each; its loader puts words before the first."""
    first, *others = message.splitlines() or [""]
    return [first, *others]


def _together(examined: Examined, plan: Plan) -> None:
    with gathering() as problems:
        try:
            plan.checked()
        except StranglerError as error:
            problems.append(str(error))
    examined.find(f"plan {plan.name}", problems)
    try:
        contradictions = judge(plan).contradictions
    except StranglerError as error:
        examined.find("policies", [str(error)])
        return
    for one in contradictions:
        examined.find(" and ".join(one.flows), [str(one)])


def vendors_lacking(services: Mapping[str, Service], environ: Mapping[str, str]) -> Iterable[Passed]:
    """Addresses that a run of the service would need, and that are not set here: no finding, the place is another."""
    for name, service in services.items():
        try:
            service.reached_vendors(environ)
        except BadInput as error:
            yield Passed(f"{name}'s vendors", str(error))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a vendor of the team's own
            yield Passed(f"{name}'s vendors", f"could not be reached: {type(error).__name__}: {error}")
