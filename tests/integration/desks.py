"""A town that rents desks, judged without a word of its plan: two services, a table, a mail vendor with a ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg

from outbox.event import Event
from strangler import Call, Check, HttpVendor, Plan, Policy, Route, Rows, Service, Step, Subject, Write
from strangler.addresses import Addresses
from strangler.ownership import Owner, Ownership
from strangler.reconcile.frontier import StepFrontier
from strangler.reconcile.judged_step import JudgedStep
from strangler.reconcile.liveness import CLASS
from strangler.reconcile.look import Look
from strangler.reconcile.snapshots import read_ledger, read_legacy, read_new
from strangler.reconcile.step_comparison import Backwards, StepComparison
from strangler.step.effects import EffectSender, SenderSettings
from strangler.step.intents import Json, effect_key, to_json
from tests.integration.contexts import connect, rows
from tests.support.http_stub import HttpStub, Seen, answer, http_stub
from tests.support.orders import received
from tests.support.running import in_thread
from tests.support.waiting import wait_until

MAILING, INDEXING = "mailing", "indexing"
BOOKINGS = """
CREATE SCHEMA desks;
CREATE TABLE desks.bookings (subject_ref text PRIMARY KEY, version bigint NOT NULL DEFAULT 0, ownership text,
                             email text NOT NULL);
CREATE TABLE search.desk (ref text PRIMARY KEY, version bigint NOT NULL, body jsonb NOT NULL)"""
POLICY = Policy.lossless(deadline_s=3600, guard="the vendor's key")
FAST = SenderSettings(concurrency=2, poll_s=0.02)
PUT = """
INSERT INTO desks.bookings VALUES (%(ref)s, %(version)s, %(owners)s, %(email)s)
ON CONFLICT (subject_ref) DO UPDATE SET version = excluded.version,
    ownership = coalesce(nullif(bookings.ownership, ''), excluded.ownership)"""
CHANGED = """
INSERT INTO strangler.subject_change (subject_ref, version, type, process, epoch)
VALUES (%(ref)s, %(version)s, %(type)s, %(process)s, %(epoch)s)"""
RECORDED = """
INSERT INTO strangler.seam_record (subject_ref, step, version, call, state, owner, epoch, intents)
VALUES (%(ref)s, %(step)s, %(version)s, %(call)s, %(state)s, 'legacy', 2, %(intents)s)"""


def mail_of(ref: str) -> dict[str, Json]:
    return {"to": f"{ref}@example.invalid", "cents": 12.5}


def decide_mail(event: Event) -> list[Call]:
    return [Call("mail", "send", mail_of(event.aggregate_id))]


def decide_desk(event: Event) -> list[Write]:
    return [Write("desk", {"ref": event.aggregate_id, "seats": event.aggregate_version})]


MAIL = HttpVendor("MAIL_URL", send="POST /messages", look_up="GET /messages/{key}", ledger="GET /messages")
mailing = Service(
    MAILING, ("Booked", "Moved"), decide_mail, POLICY, schema="notification", vendors={"mail": {"send": MAIL}}
)
indexing = Service(
    INDEXING,
    ("Booked", "Moved"),
    decide_desk,
    POLICY,
    schema="search",
    writes=Rows("desk", "ref", {"version": "bigint", "body": "jsonb"}),
)
SERVICES = {MAILING: mailing, INDEXING: indexing}


def blind(service: Service) -> Service:
    """Its vendor has no ledger."""
    return replace(service, vendors={"mail": {"send": replace(MAIL, ledger="")}})


def naming_subjects(service: Service) -> Service:
    """Its mails, and so the ledger's entries, say of whom they are."""

    def decide(event: Event) -> list[Call]:
        return [Call("mail", "send", {**mail_of(event.aggregate_id), "booking": event.aggregate_id})]

    return replace(service, decide=decide, vendors={"mail": {"send": replace(MAIL, ledger_subject="booking")}})


def plan_of(*services: Service, check: Check | None = None) -> Plan:
    return Plan(
        name="desks",
        subject=Subject("booking", table="desks.bookings", caller="anonymous"),
        steps=tuple(Step(service.name, service, check) for service in services),
        routes=(Route("POST /bookings", creates="booking"),),
    )


@dataclass
class MailVendor:
    """`entries` is its ledger: key and body."""

    entries: list[tuple[str, Json]] = field(default_factory=list)
    down: bool = False

    def reply(self, seen: Seen) -> bytes:
        if seen.method == "POST":
            self.entries.append((seen.value("Idempotency-Key") or "", json.loads(seen.body)))
            return answer(202, b"{}")
        page = [{"key": key, "body": body} for key, body in self.entries]
        return answer(503, b"") if self.down else answer(200, json.dumps(page).encode())


@dataclass(frozen=True, slots=True)
class Desks:
    """Legacy's rows are written by hand, the new side is real."""

    dsn: str
    vendor: MailVendor
    url: str

    def change(
        self, ref: str, owner: Owner | None, version: int = 1, *, type_: str = "Booked", process: int = 1
    ) -> None:
        """Legacy commits a version of a booking; without an owner nobody has pinned it yet."""
        owners = Ownership(2, dict.fromkeys(SERVICES, owner)).to_header() if owner else ""
        values = {"ref": ref, "version": version, "type": type_, "process": process, "owners": owners, "email": ref}
        values["epoch"] = 2 if owner else 0
        with psycopg.connect(self.dsn) as connection:
            connection.execute(PUT, values)
            connection.execute(CHANGED, values)

    def record(self, ref: str, state: str, *, call: int = 1, step: str = MAILING, mailed: bool = False) -> None:
        """A seam's record of version 1; `mailed`: the vendor has it."""
        did = [Call("mail", "send", mail_of(ref))] if step == MAILING else [Write("desk", {"ref": ref, "seats": 1})]
        intents = json.dumps(to_json(did if state == "done" else []))
        values = {"ref": ref, "step": step, "version": 1, "call": call, "state": state, "intents": intents}
        with psycopg.connect(self.dsn) as connection:
            connection.execute(RECORDED, values)
        if mailed:
            self.vendor.entries.append((effect_key(ref, MAILING, 99 + call), mail_of(ref)))

    def act(self, *refs: str, version: int = 1, owner: Owner = Owner.NEW, by: Service = mailing) -> None:
        """The new side handles the event and asks the vendor; `by`: as what it mails."""
        owners = Ownership(2, dict.fromkeys(SERVICES, owner)).to_header()
        events = [Event("booking", ref, version, "Booked", b"{}", {"ownership": owners}) for ref in refs]
        for service in (by, indexing):
            with connect(self.dsn, service.schema) as connection:
                service.handler()(connection, received(events))
        sender = EffectSender(
            connect=lambda: connect(self.dsn, mailing.schema),
            step=MAILING,
            vendors=mailing.reached_vendors({"MAIL_URL": self.url}),
            settings=FAST,
        )
        query = "SELECT count(*) FROM notification.effect WHERE ended_at IS NULL"
        with in_thread(sender.run, sender.stop):
            wait_until(lambda: rows(self.dsn, query) == [(0,)])

    @contextmanager
    def process(self, number: int) -> Iterator[None]:
        """A process of the monolith that lives for as long as the block."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SELECT setval('strangler.process_number', %s)", [number])
            connection.execute("SELECT pg_advisory_lock(%s, %s)", [CLASS, number])
            yield

    def judge(self, *services: Service, check: Check | None = None) -> Mapping[str, Mapping[tuple[str, int], str]]:
        """At rest, everything passed, all that was found looked at again; the verdicts by step, subject and number."""
        plan = plan_of(*(services or SERVICES.values()), check=check)
        return {step.name: self._judge(plan, JudgedStep.of(step)) for step in plan.steps}

    def _judge(self, plan: Plan, step: JudgedStep) -> Mapping[tuple[str, int], str]:
        addresses = Addresses({"STRANGLER_DSN": self.dsn, "MAIL_URL": self.url})
        with addresses.legacy() as main, addresses.context(step.context) as context:
            legacy, new = read_legacy(main, plan, [step]), read_new(context, step, addresses)
            look = Look(step, legacy, StepFrontier(), new, read_ledger(step, addresses))
            hearing = StepComparison(look)
            found = [*hearing.first_look(lambda _: True), *hearing.second_look(Backwards(legacy, new), look)]
        return {(one.subject_ref, one.number): one.verdict.value for judged in found for one in judged}


@contextmanager
def desks(dsn: str) -> Iterator[Desks]:
    with psycopg.connect(dsn) as connection:
        connection.execute(BOOKINGS)
    vendor = MailVendor()
    stub: HttpStub
    with http_stub(vendor.reply) as stub:
        yield Desks(dsn, vendor, stub.url)


plan = plan_of(mailing, indexing)
