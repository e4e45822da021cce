"""The rehearsal: starts the systems, runs the acts in order, fills the report."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from legacy_app.rehearsal import commands, script
from legacy_app.rehearsal.account import (
    doubled_effects,
    ended_orders,
    lost_orders,
    relay_account,
    step_counts,
    verdict_counts,
)
from legacy_app.rehearsal.acts import repeat_peak, settle, show_disease, strangle, symptoms
from legacy_app.rehearsal.faults import Planted, found, hold_stuck, plant
from legacy_app.rehearsal.narrator import Narrator
from legacy_app.rehearsal.peak import TIMES, bent, meet_peak, told_peak
from legacy_app.rehearsal.report import RehearsalReport
from legacy_app.rehearsal.scene import Scene
from strangler import Plan
from strangler.local import TOPIC_PREFIX, Stack, System
from strangler.operating import ANONYMOUS_SCOPE, Report, mint_ref, reconcile
from strangler.service import Json

BARE = frozenset({"vendors", "legacy"})
SETTLED_WITHIN_S = 30.0
STUCK_WITHIN_S = 3.0


def rehearse(stack: Stack, plan: Plan, *, orders: int, orders_file: Path | None, narrator: Narrator) -> RehearsalReport:
    """Run all acts on a started stack; the report says whether all went as expected."""
    report = RehearsalReport(stack={"bootstrap": stack.bootstrap, "folder": str(stack.folder)})
    set_up_s = narrator.elapsed_s
    narrator.act("The chain as found, under a slow payment provider")
    with _system(stack, plan, "bare", topic_prefix="bare.", only=BARE) as system:
        report.legacy_disease = show_disease(Scene(stack, plan, system, narrator, orders, orders_file))
    report.peak = _peak(stack, plan, narrator, orders, orders_file)
    narrator.act("Real orders through facade and outbox, while the chain is strangled step by step")
    with _system(stack, plan, "shop") as system:
        scene = Scene(stack, plan, system, narrator, orders, orders_file)
        _strangle(scene, report)
        _plant_and_find(scene, report)
    report.set_up_seconds = round(set_up_s, 1)
    report.seconds = round(narrator.elapsed_s - set_up_s, 1)
    return report


def _peak(stack: Stack, plan: Plan, narrator: Narrator, orders: int, orders_file: Path | None) -> dict[str, Json]:
    narrator.act(f"{TIMES} times an ordinary minute, at a payment provider that is slow for all")
    found: dict[str, Json] = {"times": TIMES}
    for name, admission in (("without", False), ("with", True)):
        narrator.say("the plan's admission decides who is let in" if admission else "whoever comes is let in")
        with _system(stack, plan, f"peak_{name}", topic_prefix=f"peak-{name}.", only=BARE) as system:
            found[name] = meet_peak(Scene(stack, plan, system, narrator, orders, orders_file), admission=admission)
        for line in told_peak(found[name]):
            narrator.say(line)
    found["bent"], exact = bent(found["with"]), found["with"]
    narrator.say(
        f"what bent, most first: {', '.join(found['bent'])}. What stayed exact: {exact['lost']} accepted orders lost, "
        f"{exact['duplicate_orders']} ordered twice, {exact['payments_without_order']} payments without an order"
    )
    return found


@contextmanager
def _system(
    stack: Stack, plan: Plan, name: str, *, topic_prefix: str = TOPIC_PREFIX, only: Collection[str] | None = None
) -> Iterator[System]:
    """A system with a database of its own; its talk stays in its logs. On a broker of yours, with topics of its own."""
    dsn = stack.database(name, plan)
    if stack.kafka is None:
        topic_prefix = f"demo-{secrets.token_hex(3)}.{name}."
    system = System.start(
        stack, plan, database=dsn, topic_prefix=topic_prefix, only=only, say=lambda _: None, plan_path=script.PLAN_FILE
    )
    try:
        yield system
    finally:
        system.stop()


def _strangle(scene: Scene, report: RehearsalReport) -> None:
    out, peak_out = scene.stack.folder / "strangled.jsonl", scene.stack.folder / "peak.jsonl"
    summary, report.while_strangling, walk = strangle(scene, out)
    settle(scene)
    scene.narrator.act("The same peak before and after: the new side now owns the chain")
    report.new_path = repeat_peak(scene, symptoms(scene, summary), peak_out)
    scene.narrator.act("Reconciliation: what both sides must have seen, compared order by order")
    judged = reconcile(scene.plan, scene.environ, timeout_s=SETTLED_WITHIN_S)
    _tell(judged, scene)
    report.choreography = ended_orders(scene)
    told = ", ".join(
        f"{count} {standing.replace('_', ' ')}" for standing, count in report.choreography.items() if count
    )
    scene.narrator.say(f"from the data, against the declared graph: {told}")
    relayed = relay_account(scene)
    report.input = summary["input"]
    report.orders = {
        "offered": summary["offered"],
        "accepted": summary["accepted"],
        "lost": lost_orders(scene, out) + lost_orders(scene, peak_out),
        "duplicated": report.while_strangling["duplicate_orders"] + report.new_path["duplicate_orders"],
    }
    report.relay = {
        "kills": walk.kills,
        "events": relayed.appended,
        "lost": len(relayed.missing),
        "repeated": relayed.repeated,
        "duplicated_effects": doubled_effects(scene, judged),
    }
    scene.narrator.say(
        f"relay: killed {walk.kills} time(s); {relayed.appended} events, {len(relayed.missing)} lost, "
        f"{relayed.repeated} repeated, {report.relay['duplicated_effects']} effects doubled"
    )
    report.steps = step_counts(scene, judged)


def _plant_and_find(scene: Scene, report: RehearsalReport) -> None:
    scene.narrator.act("Faults planted by another process; the judge does not know what was planted")
    planted = plant(scene)
    late = _stick_one(scene)
    final = reconcile(scene.plan, scene.environ, everything=True, timeout_s=SETTLED_WITHIN_S)
    _tell(final, scene)
    hits = found(planted, final.judgements)
    named = {(fault.step, fault.order_ref, fault.verdict) for fault in hits}
    known = [finding for finding in final.judgements if (finding.step, finding.subject_ref, finding.verdict) in named]
    report.reconciliation = verdict_counts(final, known)
    verdicts = [*((fault, fault in hits) for fault in planted), *late]
    for fault, hit in verdicts:
        said = "found as" if hit else "NOT found as"
        scene.narrator.say(f"planted {fault.kind} in {fault.step}: {said} {fault.verdict.upper()}")
    report.planted = {
        "of": len(verdicts),
        "found": sum(hit for _, hit in verdicts),
        "faults": [
            {"kind": fault.kind, "step": fault.step, "verdict": fault.verdict, "found": hit} for fault, hit in verdicts
        ],
    }


def _stick_one(scene: Scene) -> list[tuple[Planted, bool]]:
    """One more order whose event is held up: it must be LATE while stuck, and nothing once released."""
    once = [*scene.replay_arguments(scene.environ["FACADE_URL"], 1), "--ref-suffix=-again", "--no-cancellations"]
    argv = [*script.REPLAY, *once]
    client_ref = commands.run(scene.stack, "replay-next", [*argv, "--dry-run"], scene.environ)["first_client_ref"]
    holder, fault = hold_stuck(scene, mint_ref(ANONYMOUS_SCOPE, client_ref))
    commands.run(scene.stack, "replay-stuck", argv, scene.environ)
    settle(scene)  # its last step is held up; until then it must have come
    judged = reconcile(scene.plan, scene.environ, timeout_s=STUCK_WITHIN_S)
    holder.terminate()
    hit = fault in found([fault], judged.judgements)
    scene.narrator.say(f"the stuck event is called {'LATE' if hit else 'something else'}; what held it now lets go")
    return [(fault, hit)]


def _tell(judged: Report, scene: Scene) -> None:
    for line in judged.lines(scene.plan.subject):
        scene.narrator.say(line)
