"""`strangler run NAME`: a service of the plan, or its resumer, until it is told to stop."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
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
    """Loads that service, and those that it feeds where they are installed here."""
    plan, arguments = invocation.plan(services=False), invocation.args
    settings = RunSettings.from_environ(invocation.environ, lanes=arguments.lanes)
    found = runnable(plan, arguments.name, app=arguments.app)
    if arguments.migrate:
        with invocation.connect() as connection:
            upgrade_all(connection, behind_of(connection, targets_of(found)))
    match found:
        case Service():
            feeds = fed_by(plan, found.name, skipped=invocation.talk)
            run(found, settings, subject=plan.subject.name, feeds=feeds)
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


def fed_by(plan: Plan, name: str, skipped: Callable[[str], None]) -> Sequence[Service]:
    """The plan's services that read what the step of that name appends: its events are in the topic of its name.
    `skipped` is told of those that do not load here: nobody gives way to them.
    """
    if not plan.tells(name):
        return []
    found = []
    for other, one in plan.runs().items():
        if other == name or one is plan.resumer:
            continue
        try:
            service = declared(one)
        except BadPlan as error:
            skipped(f"{name} gives way to no {other}, which is not installed here: {error}")
            continue
        if isinstance(service, Service) and name in context_of(service, plan.subject.name).topics:
            found.append(service)
    return found


def service_of(plan: Plan, name: str) -> Service:
    """The service of that name; `BadInput` for what is none."""
    found = runnable(plan, name)
    if not isinstance(found, Service):
        raise BadInput(f"{name!r} is a {type(found).__name__}, no service: it keeps nothing to bring again")
    return found
