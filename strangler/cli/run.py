"""`strangler run NAME`: a service of the plan, or its resumer, until it is told to stop."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import assert_never

from outbox import flags
from outbox.consumer.settings import MOST_LANES
from strangler.cli.common import Invocation
from strangler.contexts import RESUME, context_of, declared
from strangler.errors import BadInput, BadPlan
from strangler.plan import Plan
from strangler.schema import behind_of, targets_of, upgrade_all
from strangler.service.declaration import Service
from strangler.service.resumer import Resumer, resume, resumer_of
from strangler.service.serving import run
from strangler.service.settings import RunSettings


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("run", help="run a service until SIGTERM; prints `ready NAME`")
    parser.add_argument("name", metavar="NAME", help="a service of the plan, or its resumer")
    parser.add_argument(
        "--app", metavar="REFERENCE", default=None, help="with resume: what makes the application, package.module:name"
    )
    parser.add_argument(
        "--lanes", type=flags.whole(1, MOST_LANES), default=None, help="ordered lanes per partition (default 8)"
    )
    parser.add_argument("--migrate", action="store_true", help="bring its tables up to date first")
    parser.set_defaults(run=run_named)


def run_named(invocation: Invocation) -> int:
    """Loads that service alone: the others may be installed elsewhere."""
    plan, arguments = invocation.plan(services=False), invocation.args
    settings = RunSettings.from_environ(invocation.environ, lanes=arguments.lanes)
    found = runnable(plan, arguments.name, app=arguments.app)
    if arguments.migrate:
        with invocation.connect() as connection:
            upgrade_all(connection, behind_of(connection, targets_of(found)))
    match found:
        case Service():
            run(found, settings, subject=plan.subject.name)
        case Resumer():
            resume(found, settings)
        case _:
            assert_never(found)
    return 0


def runnable(plan: Plan, name: str, *, app: str | None = None) -> Service | Resumer:
    """What the plan runs under that name; `BadInput` lists what it does. `app`: instead of the plan's resumer."""
    if app is not None:
        if name != RESUME:
            raise BadInput(f"--app makes a resumer, {name!r} is none; say `strangler run {RESUME} --app {app}`")
        return resumer_of(app)
    named = plan.runs().get(name)
    if named is None:
        raise BadInput(f"plan {plan.name!r} runs no {name!r}; it runs {', '.join(plan.runs()) or 'nothing'}")
    if named is plan.resumer and isinstance(named, str):
        return resumer_of(named)
    found = declared(named)
    if not isinstance(found, Service | Resumer):
        raise BadPlan(f"{name!r} is a {type(found).__name__}, which nothing here runs; make it a Service or a Resumer")
    return found


def fed_by(plan: Plan, name: str) -> Sequence[Service]:
    """The plan's services that read what the step of that name appends: its events are in the topic of its name."""
    if name not in plan.topics or name in plan.projections:
        return []
    named = [one for other, one in plan.runs().items() if other != name and one is not plan.resumer]
    services = [found for one in named if isinstance(found := declared(one), Service)]
    return [one for one in services if name in context_of(one, plan.subject.name).topics]


def service_of(plan: Plan, name: str) -> Service:
    """The service of that name; `BadInput` for what is none."""
    found = runnable(plan, name)
    if not isinstance(found, Service):
        raise BadInput(f"{name!r} is a {type(found).__name__}, no service: it keeps nothing to bring again")
    return found
