"""Five questions to every retry that a plan declares: whether it can help, what it may cost, and whom it hurts.

A flow tries events again, and its service tries calls of vendors again. Some answers are the toolkit's own, the same
for all; what they leave to a declaration is looked up there, and named where it is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from outbox.policy import DuplicateImpact, Placed
from outbox.policy.flow import OWN_GROUP
from outbox.told import in_words
from strangler.contexts import Context, declared
from strangler.plan import Plan
from strangler.service.declaration import Service
from strangler.service.http_vendor import HttpVendor
from strangler.service.smtp_vendor import SmtpVendor


class Question(StrEnum):
    """What is asked of a retry."""

    TRANSIENT = "is only what passes by itself tried again?"
    BUDGET = "is there a budget?"
    BACK_OFF = "does it back off?"
    IDEMPOTENT = "is a second attempt harmless?"
    OTHERS = "are others who share the downstream left alone?"


@dataclass(frozen=True, slots=True)
class RetryAnswer:
    """`missing`: what would make it a yes; empty where it is one."""

    question: Question
    because: str
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Retried:
    """What is tried again, by whom, and the five answers in their order."""

    flow: str
    what: str
    answers: tuple[RetryAnswer, ...]

    @property
    def missing(self) -> Sequence[str]:
        return [one.missing for one in self.answers if one.missing]


def retries_of(plan: Plan, placed: Sequence[Placed]) -> Sequence[Retried]:
    """Of every flow its events, then what its service asks of vendors. Loads the services, opens nothing."""
    services = _services(plan)
    callers: dict[str, list[str]] = {}
    for name, service in services.items():
        for address in sorted({one.url_env for _, one in _vendors(service)}):
            callers.setdefault(address, []).append(name)
    found: list[Retried] = []
    for place in placed:
        found.append(_events(place, placed))
        legacy = place.name in {step.name for step in plan.steps}
        for name, vendor in _vendors(services[place.name]) if place.name in services else ():
            others = [one for one in callers[vendor.url_env] if one != place.name]
            found.append(_calls(place, name, vendor, others, beside_legacy=legacy))
    return found


def lines_of(retries: Sequence[Retried]) -> Iterator[str]:
    """For a person: each retry, its answers, and what is missing."""
    lacking = sum(bool(one.missing) for one in retries)
    yield f"{len(retries)} retries, {lacking} of them with something missing"
    for one in retries:
        yield f"{one.flow} tries {one.what} again:"
        for answer in one.answers:
            verdict = "no " if answer.missing else "yes"
            yield f"  {verdict}  {answer.question.value} {answer.because}"
            if answer.missing:
                yield f"       missing: {answer.missing}"


def _services(plan: Plan) -> Mapping[str, Service]:
    named = {step.name: step.service for step in plan.steps if step.service is not None} | dict(plan.projections)
    loaded = {name: declared(one) for name, one in named.items() if not isinstance(one, Context)}
    return {name: one for name, one in loaded.items() if isinstance(one, Service)}


def _vendors(service: Service) -> Iterator[tuple[str, HttpVendor | SmtpVendor]]:
    """Each operation by its name. A vendor of the team's own making says nothing of itself."""
    for name, vendor in service.vendors.items():
        if isinstance(vendor, HttpVendor | SmtpVendor):
            yield name, vendor
        elif isinstance(vendor, Mapping):
            for operation, one in vendor.items():
                yield f"{name}.{operation}", one


def _events(place: Placed, placed: Sequence[Placed]) -> Retried:
    policy = place.policy
    unit = policy.throttling_unit
    beside = [one for one in placed if one is not place and unit != OWN_GROUP]  # that is each flow's own
    sharing = sorted(one.name for one in beside if one.policy.throttling_unit == unit)
    own = f"limited by {policy.throttling_unit!r}"
    answers = (
        RetryAnswer(Question.TRANSIENT, "bad data and poison are parked at once, a mistake after its attempts"),
        _budget(place),
        _back_off(place),
        _repeated(place),
        RetryAnswer(Question.OTHERS, f"{own}, as no other flow is; a breaker rests, then probes alone")
        if not sharing
        else RetryAnswer(
            Question.OTHERS,
            f"{own}, as {', '.join(sharing)} is, and each has a budget of its own",
            "a throttling_unit that says what it shares with nobody, or lower retry.budget_ratio and "
            "retry.budget_floor_per_s of all who share it: theirs add up",
        ),
    )
    return Retried(place.name, "events", answers)


def _budget(place: Placed) -> RetryAnswer:
    retry, rate = place.policy.retry, place.policy.rate_per_s
    said = f"{retry.budget_ratio:.0%} of the group's deliveries and {retry.budget_floor_per_s:g} a second"
    if retry.budget_floor_per_s < rate:
        return RetryAnswer(Question.BUDGET, f"{said}, of all members together")
    return RetryAnswer(
        Question.BUDGET,
        f"{said}: no less than the {rate:g} events of a healthy second, so it holds nothing back",
        f"a retry.budget_floor_per_s below rate_per_s, say {rate * retry.budget_ratio:g}",
    )


def _back_off(place: Placed) -> RetryAnswer:
    retry = place.policy.retry
    first = "once at once if it failed fast, then " if retry.attempts > 1 else ""
    said = f"{first}full jitter up to {retry.base_s:g} s, doubled to {retry.cap_s:g} s; {retry.attempts} in place"
    if retry.cap_s > retry.base_s:
        return RetryAnswer(Question.BACK_OFF, said)
    return RetryAnswer(Question.BACK_OFF, f"{said}: it never grows", "a retry.cap_s above retry.base_s")


def _repeated(place: Placed) -> RetryAnswer:
    policy = place.policy
    if in_words(policy.duplicate_guard):
        return RetryAnswer(Question.IDEMPOTENT, f"by {policy.duplicate_guard}")
    if policy.duplicate_impact is DuplicateImpact.HARMLESS:
        return RetryAnswer(Question.IDEMPOTENT, "its duplicates are declared harmless")
    return RetryAnswer(Question.IDEMPOTENT, "its duplicates are harmful", "a duplicate_guard, such as the claim")


def _calls(
    place: Placed, name: str, vendor: HttpVendor | SmtpVendor, others: Sequence[str], *, beside_legacy: bool
) -> Retried:
    retry = place.policy.retry
    shared = [f"{one}, which calls {vendor.url_env} from a budget, a breaker and a pace of its own" for one in others]
    if beside_legacy:
        shared.append("legacy's calls while it owns some subjects, which no budget counts")
    refused = "a mail is tried again only where the server took none" if isinstance(vendor, SmtpVendor) else "a refusal"
    answers = (
        RetryAnswer(Question.TRANSIENT, f"a timeout, 408, 409, 425, 429 and 5xx; never {refused}")
        if isinstance(vendor, HttpVendor)
        else RetryAnswer(Question.TRANSIENT, f"a 4xx, or no connection; {refused}"),
        RetryAnswer(
            Question.BUDGET, f"the flow's own: {retry.budget_ratio:.0%} and {retry.budget_floor_per_s:g} a second"
        ),
        RetryAnswer(
            Question.BACK_OFF, "full jitter, its Retry-After first; a breaker, and a pace that its answers teach"
        ),
        _asked_again(vendor),
        RetryAnswer(Question.OTHERS, "nobody else calls it")
        if not shared
        else RetryAnswer(Question.OTHERS, f"not {' and '.join(shared)}", "one budget for all who call it"),
    )
    return Retried(place.name, f"calls of {name}", answers)


def _asked_again(vendor: HttpVendor | SmtpVendor) -> RetryAnswer:
    if isinstance(vendor, SmtpVendor):
        return RetryAnswer(Question.IDEMPOTENT, "handed over at most once; what is unsettled is an operator's")
    if vendor.key_lifetime_s == 0:
        known = "it knows no keys, so it is asked once"
    else:
        known = f"by its key, for {vendor.key_lifetime_s:g} s"
    if vendor.look_up:
        return RetryAnswer(Question.IDEMPOTENT, f"{known}; then it is looked up")
    return RetryAnswer(
        Question.IDEMPOTENT,
        f"{known}; what is unknown then waits for an operator",
        "a look_up, if the vendor has one",
    )
