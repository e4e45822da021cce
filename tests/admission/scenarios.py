"""The scenarios: loads and troubles, the figures that a run of each gives, and the bars that they must clear.

`tests.admission.loads` says of whom and to what.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from strangler.admission.dry_run import Arrival, Assumed, dry_run
from strangler.admission.found_limit import FoundLimit
from strangler.admission.lag_holds import LagHolds
from strangler.admission.work_class import LagPromise
from tests.admission.cost import Timed, WithoutCollector
from tests.admission.figures import Figures
from tests.admission.lagging import CONSUMER, READ_S, Lagging
from tests.admission.loads import (
    BROWSE,
    BULK,
    CHECKOUT,
    CLASSES,
    CONTINUE,
    PLACES,
    SATURATION,
    SHARES,
    UNLOADED_P99_S,
    Found,
    decided,
    mix,
    promised,
    rule_of,
    slots,
    well,
    world,
)
from tests.admission.provider import Trouble
from tests.admission.several import several
from tests.admission.world import Flow

Bar = Callable[[float], bool]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`run` takes a seed and how many seconds of virtual time; `seconds` is what the bars are meant for."""

    run: Callable[[int, float], Found]
    seconds: float
    at_least: Mapping[str, float]
    at_most: Mapping[str, float]

    def broken(self, found: Found, *, but: Sequence[str] = ()) -> list[str]:
        """The bars that the figures do not clear, but those that only a long run can."""
        low = [(name, "<", bar) for name, bar in self.at_least.items() if found[name] < bar]
        high = [(name, ">", bar) for name, bar in self.at_most.items() if found[name] > bar]
        return [f"{name} {found[name]:.4f} {sign} {bar}" for name, sign, bar in low + high if name not in but]


def overload(times: float, rule: str, seed: int, seconds: float) -> Found:
    """So many times what can be served, all the time."""
    since = min(5.0, seconds / 3)
    found = world(rule_of(rule, seed), mix(times), seed, since=since).run(seconds)
    figures = {
        "goodput": found.good_per_s(since, seconds) / SATURATION,
        "p99_of_unloaded": found.p99() / UNLOADED_P99_S,
        "continue_good": well(found, CONTINUE),
        "checkout_good": well(found, CHECKOUT),
    }
    return figures | decided(found) | promised(found, seconds)


def surge(seed: int, seconds: float) -> Found:
    """Bulk comes twelvefold over a load that would just fit."""
    since = min(5.0, seconds / 3)
    flows = mix(0.98, (0.05, 0.10, 0.10, 0.45, 0.30 * 12))
    found = world(slots(seed), flows, seed, since=since).run(seconds)
    top = [found.classes[rank] for rank in (CONTINUE, CHECKOUT)]
    attempts = sum(one.attempts for one in top)
    return {
        "top_attempts": attempts,
        "top_good": 1 - sum(one.bad_attempts for one in top) / attempts,
        "goodput": found.good_per_s(since, seconds) / SATURATION,
        "p99_of_unloaded": found.p99() / UNLOADED_P99_S,
        "browse_good": well(found, BROWSE),
        **decided(found),
        **promised(found, seconds),
    }


def outage(rule: str, seed: int, seconds: float, *, times: float, hangs: bool, cut_s: float) -> Found:
    """A third of the time the provider is slow, or hangs; then it is well again."""
    begin, end = seconds / 6, seconds / 2
    trouble = Trouble(begin, end, hangs=hangs)
    found = world(rule_of(rule, seed), mix(times), seed, trouble=trouble, cut_s=cut_s).run(seconds)
    offered = min(times, 1.0) * SATURATION
    return {
        "during_per_s": found.good_per_s(begin + 2, end),
        "recovered_s": recovered_s(found, end, seconds, 0.95 * offered),
        "refused_after": found.refused_share(end + 2, seconds),
        "waited_most_s": found.waited_most_s,
    }


def recovered_s(found: Figures, end: float, until: float, per_s: float) -> float:
    """From the trouble's end to the first half second from which on it is well, on average of two seconds."""
    step, look = 0.5, 2.0
    at = end
    while at + look <= until:
        if found.good_per_s(at, at + look) >= per_s:
            return at - end
        at += step
    return float("inf")


def knee(start: int, times: float, seed: int, seconds: float, *, slow: bool = False) -> Found:
    """The provider serves 20 at once, and nobody says so: up to 100 could be sent."""
    trouble = Trouble(seconds / 3, seconds / 3 + 20) if slow else None
    rule = slots(seed, FoundLimit(100, 0.0, start=start))
    found = world(rule, mix(times), seed, trouble=trouble, since=seconds / 2).run(seconds)
    late = [limit for at, limit in found.limits if at >= seconds / 2] or [rule.limit]
    return {
        "goodput": found.good_per_s(seconds / 2, seconds) / (min(times, 1.0) * SATURATION),
        "p99_of_unloaded": found.p99() / UNLOADED_P99_S,
        "limit_least": min(late),
        "limit_most": max(late),
    }


def lag(seed: int, seconds: float) -> Found:
    """Checkout and bulk feed a consumer that can do less than both send; for a third of the time it is slow, and at
    last it stands still. Bulk is promised 5 s, checkout 20 s, so bulk gives way first.
    """
    within_s = {CHECKOUT: 20.0, BULK: 5.0}
    classes = [
        replace(one, lag_promises=(LagPromise(CONSUMER, within_s[rank]),) if rank in within_s else ())
        for rank, one in enumerate(CLASSES)
    ]
    rule = slots(seed, classes=classes)
    flows = [Flow(CHECKOUT, 100.0), Flow(BULK, 300.0)]
    one = world(rule, flows, seed)
    slow, ends = seconds / 3, 2 * seconds / 3
    lagging = Lagging(
        one,
        rule,
        LagHolds(classes),
        tuple(within_s),
        lambda now: 0.0 if now >= ends else 150.0 if now >= slow else 250.0,
        phase_s=random.Random(seed).random(),
    )
    lagging.start()
    found = one.run(seconds)
    over_at = next((at for at, waits_s in lagging.lags if waits_s > 5.0 and at >= slow), float("inf"))
    grants = found.classes[CHECKOUT].grants
    return {
        "bulk_over": lagging.over(5.0, 10.0, slow),
        "bulk_over_slow": lagging.over(5.0, slow, ends),
        "checkout_good": well(found, CHECKOUT),
        "checkout_per_s": sum(5.0 <= at < ends for at in grants) / (ends - 5.0),
        "felt_s": max(0.0, next(at for at in found.held_at if at >= slow) - over_at),
        "after_it_stands_per_s": sum(at >= ends + 5.0 + READ_S for at in found.classes[BULK].grants)
        / (seconds - ends - 5.0 - READ_S),
    }


def hot_tenant(others: float, seed: int, seconds: float) -> Found:
    """Twenty tenants of one class send a share of what can be served, and one a hundred times what each does."""
    tenants = tuple(f"t{number}" for number in range(20))
    quiet = Flow(BROWSE, others * SATURATION, tenants)
    loud = Flow(BROWSE, others * SATURATION / 20 * 100, ("loud",), counted=len(CLASSES))
    alone = world(slots(seed), [quiet], seed).run(seconds)
    beside = world(slots(seed), [quiet, loud], seed).run(seconds)
    return {
        "p99_moved": beside.p99(BROWSE) / alone.p99(BROWSE) - 1,
        "others_good": well(beside, BROWSE),
        "goodput": beside.good_per_s(1.0, seconds) / SATURATION,
    }


def foretold(times: float, seed: int, seconds: float, *, obedient: float = 0.8) -> Found:
    """What the dry run says of the first attempts beside what was done: percentage points of the worst class.

    It knows neither the service times of the run nor when each client came back.
    """
    flows = [replace(flow, until=seconds) for flow in mix(times)]
    done = world(slots(seed), flows, seed).run(seconds + 30)  # until the last has come back
    rng = random.Random(seed + 2_000_000)
    arrivals = [
        Arrival(at, rank, tenant, rng.lognormvariate(math.log(0.02) - 0.125, 0.5)) for at, rank, tenant in done.came
    ]
    said = dry_run(CLASSES, PLACES, arrivals, Assumed(obedient), rng)
    pairs = list(zip(said, done.classes, strict=False))
    return {
        "lost_off": max(100 * abs(one.lost / one.requests - it.lost / it.requests) for one, it in pairs),
        "refused_off": max(
            100 * abs(one.refused.total() / one.requests - it.first_refused / it.requests) for one, it in pairs
        ),
    }


def cost(times: float, seed: int, seconds: float) -> Found:
    """Microseconds of a decision, with 300 tenants."""
    timed = Timed(slots(seed))
    tenants = tuple(f"t{number}" for number in range(300))
    flows = [Flow(rank, times * SATURATION * share, tenants) for rank, share in enumerate(SHARES)]
    with WithoutCollector():
        world(timed, flows, seed).run(seconds)
    return timed.figures()


GOOD = {"goodput": 0.95, "returned_well": 0.90, "continue_good": 0.999}
FAIR = {"p99_of_unloaded": 2.0, "inversions": 0, "retry_after_error": 0.25}
CHEAP = {"refusal_p99_us": 20.0, "waits_p99_us": 20.0, "release_p99_us": 20.0}
TOGETHER = {"excess": 0, "excess_held": 0}
ENDS = {"recovered_s": 5.0, "refused_after": 0.01}
SCENARIOS: Mapping[str, Scenario] = {
    "overload_2x": Scenario(partial(overload, 2, "slots"), 60, {**GOOD, "checkout_good": 0.999}, FAIR),
    "overload_4x": Scenario(partial(overload, 4, "slots"), 60, {**GOOD, "checkout_good": 0.999}, FAIR),
    "overload_10x": Scenario(partial(overload, 10, "slots"), 60, GOOD, FAIR),
    "overload_2x_fixed": Scenario(partial(overload, 2, "fixed"), 60, {}, {}),
    "overload_4x_fixed": Scenario(partial(overload, 4, "fixed"), 60, {}, {}),
    "overload_2x_queue_time": Scenario(partial(overload, 2, "queue_time"), 60, {}, {}),
    "overload_4x_queue_time": Scenario(partial(overload, 4, "queue_time"), 60, {}, {}),
    "overload_2x_everybody": Scenario(partial(overload, 2, "everybody"), 30, {}, {}),
    "surge": Scenario(
        surge, 150, {"top_good": 0.9995, "top_attempts": 20_000, "goodput": 0.95, "returned_well": 0.90}, FAIR
    ),
    "slow": Scenario(partial(outage, "slots", times=0.8, hangs=False, cut_s=1.0), 60, {}, ENDS),
    "slow_1.5x": Scenario(partial(outage, "slots", times=1.5, hangs=False, cut_s=1.0), 60, {}, {"recovered_s": 5.0}),
    "slow_fixed": Scenario(partial(outage, "fixed", times=0.8, hangs=False, cut_s=1.0), 60, {}, {}),
    "slow_queue_time": Scenario(partial(outage, "queue_time", times=0.8, hangs=False, cut_s=1.0), 60, {}, {}),
    "slow_everybody": Scenario(partial(outage, "everybody", times=0.8, hangs=False, cut_s=1.0), 60, {}, {}),
    "hang_cut": Scenario(partial(outage, "slots", times=0.8, hangs=True, cut_s=1.0), 60, {}, ENDS),
    "hang_uncut": Scenario(partial(outage, "slots", times=0.8, hangs=True, cut_s=5.0), 60, {}, {"recovered_s": 6.0}),
    "knee": Scenario(partial(knee, 20, 4.0), 60, {"goodput": 0.95}, {"p99_of_unloaded": 2.0, "limit_most": 30}),
    "knee_from_100": Scenario(partial(knee, 100, 4.0), 120, {"goodput": 0.95}, {"p99_of_unloaded": 2.0}),
    "knee_slow": Scenario(partial(knee, 20, 3.0, slow=True), 90, {"goodput": 0.95}, {"p99_of_unloaded": 2.0}),
    "knee_quiet": Scenario(partial(knee, 20, 0.6), 60, {"goodput": 0.95}, {"limit_most": 20}),
    "lag": Scenario(
        lag, 90, {"checkout_per_s": 95.0}, {"bulk_over": 0.05, "felt_s": 1.0, "after_it_stands_per_s": 0.0}
    ),
    "workers_4": Scenario(partial(several, 2.0, (1, 1, 1, 1)), 60, {"goodput": 0.95, "checkout_good": 0.99}, TOGETHER),
    "workers_4_skewed": Scenario(partial(several, 2.0, (4, 1, 1, 1)), 60, {"goodput": 0.95}, TOGETHER),
    "workers_8": Scenario(partial(several, 4.0, (1,) * 8), 60, {"goodput": 0.95}, TOGETHER),
    "worker_dies": Scenario(
        partial(several, 2.0, (1, 1, 1, 1), dies=True), 60, {"goodput": 0.93}, {**TOGETHER, "whole_again_s": 3.5}
    ),
    "cost_2x": Scenario(partial(cost, 2.0), 20, {}, CHEAP),
    "cost_10x": Scenario(partial(cost, 10.0), 20, {}, CHEAP),
    "foretold_2x": Scenario(partial(foretold, 2.0), 60, {}, {"lost_off": 2.0, "refused_off": 2.0}),
    "foretold_4x": Scenario(partial(foretold, 4.0), 60, {}, {"lost_off": 2.0, "refused_off": 2.0}),
    "foretold_2x_disobeyed": Scenario(partial(foretold, 2.0, obedient=0.4), 60, {}, {}),
    "hot_tenant": Scenario(partial(hot_tenant, 0.3), 60, {"others_good": 0.999}, {"p99_moved": 0.05}),
    "hot_tenant_50": Scenario(partial(hot_tenant, 0.5), 60, {"others_good": 0.999}, {}),
}
