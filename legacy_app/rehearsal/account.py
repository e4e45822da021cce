"""The account after the walk: owners per step, what the relay lost or repeated, what the judge says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psycopg

from legacy_app.rehearsal import script
from legacy_app.rehearsal.acts import accepted_refs
from legacy_app.rehearsal.report import StepCounts
from legacy_app.rehearsal.scene import Scene
from outbox.audit import Account, account_of
from strangler.choreography import audit
from strangler.operating import Judgement, Report, Verdict

_STAGES = "SELECT step, stage FROM strangler.stage"
_HANDED_BACK = "SELECT step, count(*) FROM strangler.hand_back WHERE state = 'done' GROUP BY step"


def step_counts(scene: Scene, judged: Report) -> dict[str, StepCounts]:
    """Orders by owner, as stored on the orders themselves."""
    with psycopg.connect(scene.environ["STRANGLER_DSN"]) as connection:
        stages = {str(step): str(stage) for step, stage in connection.execute(_STAGES)}
        handed_back = {str(step): int(count) for step, count in connection.execute(_HANDED_BACK)}
        orders = [order.ownership for order in scene.plan.subject.facts(connection)]
    counts = {}
    for step in scene.plan.taken_over():
        owners = [ownership.of(step.name).value for ownership in orders]
        counts[step.name] = StepCounts(
            stage=stages[step.name],
            legacy=owners.count("legacy"),
            shadow=owners.count("shadow"),
            new=owners.count("new"),
            compared_new=judged.by_owner[step.name]["new"],
            handed_back=handed_back.get(step.name, 0),
        )
    return counts


def ended_orders(scene: Scene) -> dict[str, int]:
    """Where the orders stand by the data, after the declared graph: ended, under way, stuck. Empty without a graph."""
    if scene.plan.choreography is None:
        return {}
    with psycopg.connect(scene.environ["STRANGLER_DSN"], autocommit=True) as connection:
        found = audit(connection, scene.plan.choreography)
    return {standing.value: count for standing, count in found.counts.items()}


def lost_orders(scene: Scene, out: Path) -> int:
    """Orders of which the client was told that they are accepted, and which the shop does not have."""
    with psycopg.connect(scene.environ["STRANGLER_DSN"]) as connection:
        stored = {order.subject_ref for order in scene.plan.subject.facts(connection)}
    return len(set(accepted_refs(out)) - stored)


def relay_account(scene: Scene) -> Account:
    """Every event of the outbox table against the topics."""
    prefix = scene.environ["OUTBOX_TOPIC_PREFIX"]
    return account_of(scene.environ, [prefix + kind for kind in scene.plan.topics], group=f"{prefix}account")


def doubled_effects(scene: Scene, judged: Report) -> int:
    """Effects that exist twice: by the application's own invariants, and by the judge."""
    invariants = scene.run("invariants", script.INVARIANTS)
    found = (counts[verdict] for counts in judged.counts.values() for verdict in (Verdict.DUPLICATE, Verdict.EXTRA))
    return int(invariants["doubled"]) + sum(found)


def verdict_counts(judged: Report, planted: Iterable[Judgement]) -> dict[str, int]:
    """Verdicts over all steps, without the findings that were planted."""
    counts = {verdict.value: 0 for verdict in Verdict}
    for by_verdict in judged.counts.values():
        for verdict, count in by_verdict.items():
            counts[verdict] += count
    for finding in planted:
        counts[finding.verdict] -= 1
    return {"compared": sum(counts.values()) - counts["unknown"] - counts["late"], **counts}
