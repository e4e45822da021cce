"""Where the new side of a step lives: declared by a service, named in the plan, loaded when it is asked for."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from outbox.policy import Policy
from outbox.terms import check_terms
from strangler.errors import BadPlan
from strangler.facts import DeclaredEvidence

RESUME = "resume"  # the schema and group of what goes on with an application's subjects


@dataclass(frozen=True, slots=True)
class Context:
    """The schema, consumer group and topics of a new side. `dsn_env` names the address of its database.

    A `Service` says all of it by itself; written down, it is a new side that something else than `strangler run` runs.
    `evidence`: what the judge reads of it, where a service says so by itself. `policy`: its flow policy. `pool`: whose
    threads and connections do its work, its own group's by default.
    """

    schema: str
    group: str
    topics: tuple[str, ...]
    dsn_env: str = "STRANGLER_DSN"
    policy: Policy | None = None
    pool: str | None = None
    evidence: DeclaredEvidence | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_terms(self, error=BadPlan)
        for name in ("schema", "group", "dsn_env"):
            if not getattr(self, name).strip():
                raise BadPlan(f"Context.{name} is blank; name it")


@runtime_checkable
class Declared(Protocol):
    """What `strangler run` runs: a `Service`, or a `Resumer`."""

    @property
    def name(self) -> str: ...

    @property
    def awaited(self) -> bool: ...

    @property
    def acts(self) -> bool:
        """Whether it claims, intends and emits, and not only reads."""
        ...

    def context(self, subject: str) -> Context:
        """Where it lives; `subject` is the topic of what names none."""
        ...


# A reference is `package.module:NAME`: the plan belongs to the monolith, which knows nothing of the new services.
Named: TypeAlias = Context | Declared | str


def name_of(named: Declared | str) -> str:
    """A reference ends with the name: `shop.mailer:mail` is the service `mail`. Loads nothing."""
    return named.rpartition(":")[2] if isinstance(named, str) else named.name


def declared(named: Declared | str) -> Declared:
    """The declaration itself, imported now; `BadPlan` says what is wrong with the reference."""
    if not isinstance(named, str):
        return named
    found = imported(named, "service")
    if not isinstance(found, Declared):
        raise BadPlan(f"service {named!r} is a {type(found).__name__}; name the Service itself")
    if found.name != name_of(named):
        raise BadPlan(f"service {named!r} calls itself {found.name!r}; give variable and service the same name")
    return found


def context_of(named: Named, subject: str) -> Context:
    """Where it lives."""
    if isinstance(named, Context):
        return named
    found = declared(named).context(subject)
    if "" in found.topics:
        raise BadPlan(f"service {name_of(named)!r} names no topics and the plan no subject; give one of them")
    return found


def imported(reference: str, what: str) -> object:
    """The value that `package.module:NAME` names."""
    module, separator, name = reference.partition(":")
    if not (module and separator and name):
        raise BadPlan(f'{what} {reference!r} is no reference; write it as "package.module:NAME"')
    try:
        found = vars(importlib.import_module(module))
    except (Exception, SystemExit) as error:  # a script that ends its process must not end ours without a word
        raise BadPlan(f"{what} {reference!r} does not load: {type(error).__name__}: {error}; fix its module") from error
    if name not in found:
        raise BadPlan(f"{what} {reference!r} is not there: module {module} has no {name!r}; give the name that it has")
    return found[name]
