"""`Service`: what a team says of the new side of a context. Whatever runs, replays or rebuilds it reads this."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace

from outbox.consumer.handler import Answering, Handler
from outbox.consumer.partitions.starting import Start, checked
from outbox.errors import ConfigurationError
from outbox.event import Event
from outbox.fault_points import FaultPoints
from outbox.policy import Expired, Policy
from outbox.terms import check_terms
from strangler.contexts import Context
from strangler.errors import BadInput
from strangler.ownership import Owner
from strangler.service.evidence import evidence_of
from strangler.service.review import Review
from strangler.service.rows import Rows
from strangler.service.vendors import Declared, limits_of, reached
from strangler.step.apply import ApplyWrites, write_nothing
from strangler.step.conclude import Conclude, tell
from strangler.step.handler import ActedElsewhere, StepHandler
from strangler.step.intents import Intent
from strangler.step.vendor import Vendor

REBUILD = ("strangler", "rebuild")
UNNAMED = "events"  # the flow of a policy that names none: it gets the service's name

Decide = Callable[[Event], Sequence[Intent]]


@dataclass(frozen=True, slots=True)
class Service:
    """The new side of a context, said once.

    `name` is its step's in the plan, its consumer group, and its schema unless `schema` names another.
    `on`: the event types that it acts on for the subjects that the new side owns. `shadow_on`: those that it is held
    against beside legacy, where they differ: a step of the middle waits for legacy's own outcome. `topics`: the
    aggregate types that it reads, the plan's subject by default.

    `decide(event)` is pure: it gets every event of the topics and returns intents, at most 100. What it raises parks
    the event, so an event that it does not know must raise, never be passed over.
    `writes(connection, writes)` applies the `Write` intents of a batch in its transaction; `Rows` does for a
    projection. `tables`: what `strangler rebuild` makes anew; those of `Rows` by themselves.
    `vendors`: by the name that `Call` uses, an `HttpVendor`, several by operation, an `SmtpVendor`, or a `Vendor` of
    the team's own.
    `policy`: what it promises under pressure; a policy that names no flow gets the service's name,
    and one of a projection the command that makes its tables anew.
    `conclude(effect, ending, outcome)` is pure: the intents that follow a vendor's answer, in the transaction that ends
    the effect. `awaited`: the chain waits for its outcome.
    `review`: what is decided now and looked at by a person later.
    `project`: instead of `decide`, for a projection that is no step: a handler that sees every event, whoever owns.
    It must be safe across threads, and recognise what it has seen. Its `on` is empty.
    `start`: where it begins on a topic that it has never read, as `outbox.Consumer` takes it.
    `compensate`: the handler of late events, whoever owns their subject, under a policy that says `expired=compensate`.

    Raises `BadInput` for what contradicts itself.

    >>> from strangler import Call, Policy
    >>> policy = Policy.lossless(deadline_s=3600, guard="the mail service's key")
    >>> mail = Service("mail", on=("OrderPlaced",), decide=lambda event: [Call("mail", "send", {})], policy=policy)
    >>> mail.context("order").topics
    ('order',)
    """

    name: str
    on: tuple[str, ...]
    decide: Decide | None
    policy: Policy
    _: KW_ONLY
    shadow_on: tuple[str, ...] | None = None
    topics: tuple[str, ...] | None = None
    writes: ApplyWrites | Rows | None = None
    tables: tuple[str, ...] = ()
    vendors: Mapping[str, Declared] = field(default_factory=dict)
    conclude: Conclude = tell
    awaited: bool = False
    review: Review | None = None
    project: Answering | None = None
    schema: str = ""
    compensate: Handler | None = None
    start: Start = "earliest"

    @property
    def acts(self) -> bool:
        return True

    def __post_init__(self) -> None:
        check_terms(self, error=BadInput)
        object.__setattr__(self, "schema", self.schema or self.name)
        object.__setattr__(self, "policy", _completed(self))
        problems = list(_problems(self))
        if problems:
            raise BadInput("\n".join(f"service {self.name!r} {problem}" for problem in problems))

    def context(self, subject: str) -> Context:
        """Where it lives, for a plan whose subject's events stand in the topic `subject`."""
        evidence = evidence_of(self.name, self.on, self.writes, self.vendors, concludes=self.conclude is not tell)
        return Context(self.schema, self.name, self.topics or (subject,), policy=self.policy, evidence=evidence)

    @property
    def apply_writes(self) -> ApplyWrites:
        return self.writes or write_nothing

    @property
    def projection(self) -> tuple[str, ...]:
        """The tables that a rebuild makes anew; none where it makes none."""
        return self.tables or ((self.writes.table,) if isinstance(self.writes, Rows) else ())

    def concerns(self, event: Event, owner: Owner) -> bool:
        """Whether it acts on the event, or is held against it, for a subject of that owner."""
        return event.type in (self.on if owner is Owner.NEW or self.shadow_on is None else self.shadow_on)

    def step(
        self, fault_points: FaultPoints | None = None, legacy_acts: ActedElsewhere = lambda _: None
    ) -> StepHandler:
        """What handles the events of a step; `BadInput` where it is none."""
        if self.decide is None:
            raise BadInput(f"service {self.name!r} is a projection, no step of the chain; it claims nothing")
        return StepHandler(
            self.name,
            self.decide,
            self.apply_writes,
            concerns=self.concerns,
            marks=self.policy.versions is not None,
            kept=self.writes.kept if isinstance(self.writes, Rows) else lambda _, write: write,
            legacy_acts=legacy_acts,
            fault_points=fault_points,
        )

    def handler(
        self, fault_points: FaultPoints | None = None, legacy_acts: ActedElsewhere = lambda _: None
    ) -> Answering:
        """What handles a batch of its events; `legacy_acts` hears of those that legacy acts on."""
        return self.project or self.step(fault_points, legacy_acts)

    def reached_vendors(self, environ: Mapping[str, str]) -> dict[str, Vendor]:
        """Clients for its vendors, at the addresses that the environment names."""
        return reached(self.vendors, environ, self.name)


def _completed(service: Service) -> Policy:
    """With what follows from the service: the flow's name, and how its tables are made anew."""
    policy = service.policy
    if policy.flow == UNNAMED:
        policy = replace(policy, flow=service.name)
    if service.projection and not policy.rebuild:
        policy = replace(policy, rebuild=(*REBUILD, service.name))
    return policy


def _problems(service: Service) -> Iterator[str]:
    for name in (service.name, service.schema):
        if re.fullmatch(r"[a-z][a-z0-9_]*", name) is None:
            yield f"cannot be a group and a schema as {name!r}; use lower case letters, digits and _"
    if (service.decide is None) is (service.project is None):
        yield "needs one of `decide` and `project`; give `project` to a projection that is no step, else `decide`"
    if service.project is not None and (service.on or service.vendors or service.writes or service.awaited):
        yield "has `project`, which sees every event and does everything; leave out on, writes, vendors and awaited"
    if service.project is None and not service.on:
        yield "acts on nothing; name event types in `on`"
    if service.policy.rebuild[:2] == REBUILD and not service.projection:
        yield "is rebuilt by a command that knows no table of it; give it Rows, or name its `tables`"
    if service.topics == ():
        yield "reads no topic; name them, or leave `topics` out for the plan's subject"
    yield from _blank_names(service)
    yield from _vendor_problems(service)
    yield from _policy_problems(service)
    try:
        checked(service.start)
    except ConfigurationError as error:
        yield f"cannot begin: {error}"


def _blank_names(service: Service) -> Iterator[str]:
    for named in ("on", "shadow_on", "topics", "tables"):
        if not all(one.strip() for one in getattr(service, named) or ()):
            yield f"has a blank name in `{named}`; leave it out, or give the name"


def _vendor_problems(service: Service) -> Iterator[str]:
    if service.conclude is not tell and not service.vendors:
        yield "has `conclude` and asks no vendor; declare its vendors, or leave `conclude` out"
    try:
        limits_of(service.vendors)
    except BadInput as error:
        yield f"has a vendor whose {error}"


def _policy_problems(service: Service) -> Iterator[str]:
    """What would be found only at its start otherwise."""
    if service.policy.versions is not None and service.decide is None:
        yield "waits for versions and is no step: nobody knows how far it has come; leave `versions` out of its policy"
    compensates = service.policy.expired is Expired.COMPENSATE
    if compensates and service.compensate is None:
        yield "has late events that nothing compensates, under expired=compensate; give `compensate`, a handler of them"
    if service.compensate is not None and not compensates:
        yield "has `compensate`, which nothing would call; leave it out, or let its policy say expired=compensate"
