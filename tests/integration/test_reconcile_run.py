"""The judge on real systems: planted faults get their class, an audit says what changed, orphans are never guessed."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

from strangler.ownership import Owner
from strangler.reconcile.reasons import Reason
from strangler.reconcile.report import Report
from tests.integration import reconcile_plan
from tests.integration.reconcile_plan import INDEXING, MAILING, plan
from tests.integration.reconcile_town import Town, counted, found
from tests.support.waiting import wait_until


def settle(town: Town, owner: Owner, *order_refs: str) -> None:
    """Orders with everything done that should be."""
    for order_ref in order_refs:
        town.place(order_ref, owner)
        if owner is Owner.SHADOW:
            town.decide(order_ref)
        elif owner is Owner.NEW:
            town.act(order_ref)


FAULTS = {
    "lost mail": "DELETE FROM town.ledger WHERE order_ref = 'n-lost'",
    "other total": "UPDATE town.ledger SET body = body || '{\"total_minor\": 101}' WHERE order_ref = 'n-wrong'",
    "foreign mail": "UPDATE notification.claim SET step = 'another' WHERE subject_ref = 'n-foreign'",
    "both": "INSERT INTO strangler.seam_record (subject_ref, step, version, owner, epoch, inputs, intents)"
    " VALUES ('n-both', 'indexing', 1, 'legacy', 2, '{}', '[]')",
    "wrong row": "UPDATE search.document SET body = jsonb_set(body, '{text}', '\"mug\"') WHERE order_ref = 'n-row'",
    "no row": "DELETE FROM search.document WHERE order_ref = 'n-none'",
    "no decision": "DELETE FROM search.intent WHERE subject_ref = 's-none'",
    "other decision": "UPDATE search.intent SET intents = jsonb_set(intents, '{0,body,text}', 'null')"
    " WHERE subject_ref = 's-other'",
    "no record": "DELETE FROM strangler.seam_record WHERE subject_ref = 'l-none' AND step = 'indexing'",
    "intruder": "INSERT INTO search.claim (subject_ref, step, number, kind, epoch)"
    " VALUES ('l-claimed', 'indexing', 100, 'applied', 2)",
    "orphan": "INSERT INTO town.ledger (key, order_ref, body)"
    " VALUES ('o:mailing:100', 'ghost', '{\"template\": \"x\"}')",
    "unwanted": "INSERT INTO town.ledger (key, order_ref, body) VALUES ('k', 'l-extra', '{\"template\": \"x\"}')",
}
MUST = {
    (MAILING, "n-lost", 100, "missing"),
    (MAILING, "n-wrong", 100, "mismatch"),
    (MAILING, "n-foreign", 100, "extra"),
    (MAILING, "n-double", 100, "duplicate"),
    (INDEXING, "n-both", 100, "extra"),
    (INDEXING, "n-row", 100, "mismatch"),
    (INDEXING, "n-none", 100, "missing"),
    (INDEXING, "s-none", 100, "missing"),
    (INDEXING, "s-other", 100, "mismatch"),
    (INDEXING, "l-none", 100, "missing"),
    (INDEXING, "l-claimed", 100, "extra"),
    (MAILING, "ghost", 100, "orphan"),
    (MAILING, "l-extra", 0, "extra"),
}


def test_every_planted_fault_is_found_with_its_class_and_nothing_else(town: Town) -> None:
    settle(town, Owner.NEW, "n-ok", "n-lost", "n-wrong", "n-foreign", "n-double", "n-both", "n-row", "n-none")
    settle(town, Owner.SHADOW, "s-ok", "s-none", "s-other")
    settle(town, Owner.LEGACY, "l-ok", "l-none", "l-claimed", "l-extra")
    town.mail("n-double", 1, key="another key")
    for statement in FAULTS.values():
        town.execute(statement)
    report = town.judge()

    assert found(report) == MUST
    assert report.exit_code == 1
    assert report.by_owner[MAILING] == {"legacy": 4, "shadow": 3, "new": 8, "none": 1}
    stored = town.execute("SELECT step, subject_ref, number, class FROM strangler.verdict WHERE class <> 'match'")
    assert set(stored) == MUST
    assert town.execute("SELECT counts ->> 'epoch' FROM strangler.reconciliation_run") == [("1",)]  # as it began
    ((fields, detail),) = town.execute(
        "SELECT fields, detail FROM strangler.verdict WHERE subject_ref = 'n-wrong' AND step = 'mailing'"
    )
    assert fields == ["total_minor"]
    assert detail == {"reason": Reason.OTHER_FIELDS, "total_minor": {"expected": 100, "actual": 101}}


def test_a_verdict_is_final_and_an_audit_says_what_changed(town: Town) -> None:
    settle(town, Owner.NEW, "new-1", "new-2")
    assert counted(town.judge()) == {MAILING: {"match": 2}, INDEXING: {"match": 2}}
    town.execute("DELETE FROM town.ledger WHERE order_ref = 'new-1'")
    town.mail("new-2", 1, key="twice")

    later = town.judge()
    assert found(later) == {(MAILING, "new-2", 100, "duplicate")}
    audit = town.judge(everything=True)
    assert counted(audit) == {MAILING: {"missing": 1, "duplicate": 1}, INDEXING: {"match": 2}}
    assert {(one.subject_ref, one.before, one.after) for one in audit.changes} == {("new-1", "match", "missing")}
    assert town.judge().standing[MAILING].total() == 2
    town.mail("new-1", 1)
    town.execute("DELETE FROM town.ledger WHERE key = 'twice'")
    healed = town.judge(everything=True)
    assert (healed.exit_code, len(healed.changes), counted(healed)[MAILING]) == (0, 2, {"match": 2})
    ((before,),) = town.execute(
        "SELECT detail ->> 'before' FROM strangler.verdict WHERE subject_ref = 'new-1' AND step = 'mailing'"
    )
    assert before == "missing"


def test_versions_are_judged_as_they_come(town: Town) -> None:
    settle(town, Owner.NEW, "new-1")
    town.judge()
    town.place("new-1", Owner.NEW, 2)
    missing = town.judge()
    town.act("new-1", 2, state="planned")
    planned = town.judge()
    town.execute("UPDATE notification.effect SET state = 'done'")
    town.mail("new-1", 2)
    done = town.judge()

    assert counted(missing) == {MAILING: {"missing": 1}, INDEXING: {"missing": 1}}
    assert counted(planned) == {MAILING: {}, INDEXING: {"match": 1}}
    assert planned.standing[MAILING].total() == 1
    assert counted(done) == {MAILING: {"match": 1}, INDEXING: {}}
    assert counted(town.judge(everything=True)) == {MAILING: {"match": 2}, INDEXING: {"match": 1}}


def test_a_plan_without_checks_is_judged_all_the_same_and_never_by_a_match(town: Town) -> None:
    """The new side of this town is no service: what it keeps is all that there is."""
    bare = replace(plan, steps=tuple(replace(step, check=None) for step in plan.steps))
    nothing = town.judge(by=bare)
    settle(town, Owner.NEW, "new-1")
    town.place("new-2", Owner.NEW)
    report = town.judge(by=bare)

    assert (nothing.exit_code, nothing.looked_at.total()) == (3, 0)
    assert counted(report) == {step: {"acted": 1, "unknown": 1} for step in (MAILING, INDEXING)}
    assert {one.reason for one in report.judgements} == {Reason.NO_ACCOUNT}
    assert report.exit_code == 3
    assert report.to_json()["looked_at"] == {MAILING: 2, INDEXING: 2}
    assert report.to_json()["no_witness"][INDEXING][0].startswith("whether what it decides is right")
    assert any("nobody confirms whether what it decides" in line for line in report.lines(plan.subject))
    assert counted(town.judge()) == {step: {"match": 1, "missing": 1} for step in (MAILING, INDEXING)}


def test_a_hand_back_under_way_is_late(town: Town) -> None:
    town.place("new-1", Owner.NEW)
    for schema, step in (("notification", MAILING), ("search", INDEXING)):
        town.execute(f"INSERT INTO {schema}.claim VALUES ('new-1', %s, 100, 'tombstone', 2)", step)

    assert counted(town.judge()) == {MAILING: {"late": 1}, INDEXING: {"late": 1}}


def test_an_event_in_quarantine_is_late(town: Town) -> None:
    town.place("new-1", Owner.NEW)
    group = town.environ["OUTBOX_GROUP_PREFIX"] + "indexing-group"
    town.execute(
        'INSERT INTO search.quarantine (group_name, topic, incarnation, partition, "offset", key, reason)'
        " VALUES (%s, %s, '', 0, 0, 'new-1', 'undecodable')",
        group,
        town.topic,
    )
    report = town.judge()

    assert counted(report) == {MAILING: {"missing": 1}, INDEXING: {"late": 1}}
    assert {one.reason for one in report.judgements if one.step == INDEXING} == {Reason.PARKED}


def test_what_the_vendor_heard_before_its_order_committed_is_no_orphan(town: Town) -> None:
    """Also when the transaction had written nothing yet, so that it had no transaction id to wait for."""
    reports: list[Report] = []
    judge = threading.Thread(target=lambda: reports.append(town.judge(timeout_s=60)))
    with town.transaction() as customer:
        customer.execute("SELECT count(*) FROM town.orders")
        town.mail("early-1", 1)
        judge.start()
        wait_until(town.horizon_is_awaited)
        town.place_in(customer, "early-1", Owner.LEGACY)
    judge.join(60)

    assert counted(reports[0]) == {MAILING: {}, INDEXING: {}}
    assert counted(town.judge()) == {MAILING: {"match": 1}, INDEXING: {"match": 1}}


def test_while_a_transaction_stays_open_nothing_is_called_an_orphan(town: Town) -> None:
    settle(town, Owner.LEGACY, "legacy-1")
    with town.transaction() as customer:
        town.place_in(customer, "early-1", Owner.LEGACY)
        town.mail("early-1", 1)
        town.mail("legacy-1", 1, key="twice")
        held = town.judge(timeout_s=1.5)
        customer.rollback()
    freed = town.judge()

    assert counted(held)[MAILING] == {"unknown": 2}
    assert held.exit_code == 3
    assert found(freed) == {(MAILING, "early-1", 100, "orphan"), (MAILING, "legacy-1", 100, "duplicate")}


def test_a_request_that_is_awaited_or_may_come_again_may_bring_its_order(town: Town) -> None:
    town.mail("early-1", 1)
    town.execute(
        "INSERT INTO strangler.idempotency (tenant, key, fingerprint, subject_ref, state, lease_until, expires_at)"
        " VALUES ('shop', 'k', '', 'early-1', 'started', now() + interval '1 minute', now() + interval '1 day')"
    )
    assert found(town.judge()) == set()
    town.execute("UPDATE strangler.idempotency SET lease_until = now() - interval '1 second'")
    assert found(town.judge()) == set(), "its client was told to come again"
    town.execute("UPDATE strangler.idempotency SET lease_until = now() - interval '2 minutes'")
    assert found(town.judge()) == {(MAILING, "early-1", 100, "orphan")}
    town.place("early-1", Owner.LEGACY, mailed=False)
    assert counted(town.judge())[MAILING] == {"match": 1}


def test_under_load_no_order_is_called_orphan_or_extra(town: Town) -> None:
    """Four customers whose mails go out before their orders commit; every third order is cancelled at once."""
    ended, failures = threading.Event(), list[BaseException]()

    def customer(name: int) -> None:
        try:
            for number in range(1_000):
                if ended.is_set():
                    return
                owner = Owner.SHADOW if number % 2 else Owner.LEGACY
                town.place(f"order-{name}-{number}", owner)
                if number % 3 == 0:
                    town.place(f"order-{name}-{number}", owner, 2)
        except BaseException as error:
            failures.append(error)
            raise

    customers = [threading.Thread(target=customer, args=(name,)) for name in range(4)]
    for each in customers:
        each.start()
    try:
        reports = [town.judge() for _ in range(8)]
    finally:
        ended.set()
        for each in customers:
            each.join(30)
    last = town.judge()

    assert failures == []
    found_ones = [one for report in [*reports, last] for one in report.judgements if one.step == MAILING]
    assert {one.verdict.value for one in found_ones if one.owner == "legacy"} <= {"late"}
    assert not {one.verdict.value for one in found_ones} & {"extra", "orphan", "duplicate", "mismatch"}
    assert sum(report.counts[MAILING]["match"] for report in reports) > 50


def test_the_verb_reports_in_words_in_json_and_by_its_exit_code(town: Town, tmp_path: Path) -> None:
    settle(town, Owner.NEW, "new-1", "new-2")
    environ = {"PATH": os.environ["PATH"], **town.environ, "STRANGLER_PLAN": reconcile_plan.__file__}
    verb = [sys.executable, "-m", "strangler", "reconcile"]
    clean = subprocess.run([*verb, "--json"], env=environ, capture_output=True, text=True, timeout=90, check=False)
    town.execute("DELETE FROM town.ledger WHERE order_ref = 'new-1'")
    told = [*verb, "--all", "--step", MAILING, "--report", str(tmp_path / "report.json")]
    told += ["--metrics", str(tmp_path / "reconcile.prom")]
    audit = subprocess.run(told, env=environ, capture_output=True, text=True, timeout=90, check=False)
    bad = subprocess.run(
        [*verb, "--step", "pricing"], env=environ, capture_output=True, text=True, timeout=90, check=False
    )

    assert (clean.returncode, audit.returncode, bad.returncode) == (0, 1, 2), clean.stderr + audit.stderr
    assert json.loads(clean.stdout)["counts"][MAILING]["match"] == 2
    assert "1 effect MISSING: done by our own account, and the vendor never accepted it (new-1)" in audit.stdout
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["judgements"][0]["evidence"] == {"expected": reconcile_plan.mail_body("new-1", 1)}
    assert "pricing" in bad.stderr
    lines = (tmp_path / "reconcile.prom").read_text().splitlines()
    assert f'reconcile_findings{{step="{MAILING}",verdict="missing"}} 1' in lines
    assert f'reconcile_effects{{step="{MAILING}",verdict="match"}} 1' in lines
    assert "reconcile_exit{} 1" in lines
