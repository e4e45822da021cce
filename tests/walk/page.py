"""The walk of one order as a page: what each hop calls, before and after the sample moved onto `Strangled`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from tests.walk.hops import CONSUMERS, LABEL, RESUMER, Calls, common

HEAD = """\
# The walk of one order

One order through the sample, from its client to `strangler reconcile`, with every step at the new side: which of our
functions run for it, hop by hop. **Before**: the monolith with seams of its own. **After**: it is on `Strangled`;
what else changed in between is in it too.

`python -m tests.walk trace tests/walk/after.json` starts the sample with a tracer in each process, places the order and
writes down what is called; `python -m tests.walk page` makes this page of that. One test compares the two, another one
looks for every function that is named.

- A function counts once in a hop, however often it is called. A lambda is part of the function around it.
- Idle loops do not count: what the same process calls in eleven seconds without an order is left out. Of a loop that
  stands waiting when the order comes, only what it calls then is seen.
- It is the first order of a system that has just started, so what is opened on first use counts. Several such systems
  are walked, and only what all of them called is kept: the rest was called by the clock.
- A step's hop goes from its topic to its outcome, the client of its vendor included. What every consumer calls stands
  in a list of its own. The shop's client and the vendors are not ours.
- The request waits until it can answer 201. One that gives up leaves going on to the resumer, which else only stores
  the outcomes.
- Reconciling is one call of `reconcile` once all is quiet; nothing is left out of it.
"""


def render(before: Calls, after: Calls | None) -> str:
    """The whole page; without `after` the functions of `before` are listed."""
    lines = [HEAD, "| Hop | Before: functions in files | After: functions in files |", "|---|---|---|"]
    lines += [f"| {hop} | {counted(before[hop])} | {counted(after[hop]) if after else ''} |" for hop in LABEL]
    lines.append(f"| **all hops** | {counted(distinct(before))} | {counted(distinct(after)) if after else ''} |")
    shown = after or before
    shared = common([shown[hop] for hop in (*CONSUMERS, RESUMER)])
    lines += section("What every consumer calls", shared)
    for hop, functions in shown.items():
        consumes = hop in CONSUMERS or hop == RESUMER
        lines += section(hop.capitalize(), [each for each in functions if not (consumes and each in shared)])
    return "\n".join(lines) + "\n"


def section(heading: str, functions: Sequence[str]) -> list[str]:
    """In the order of first calls; those of one file that follow each other share a line."""
    runs = groupby(map(split, functions), key=lambda call: call[0])
    return [
        "",
        f"## {heading}",
        "",
        *(f"- `{file}`: {', '.join(f'`{name}`' for _, name in run)}" for file, run in runs),
    ]


def counted(functions: Sequence[str]) -> str:
    return f"{len(functions)} in {len({split(function)[0] for function in functions})}"


def distinct(calls: Calls) -> Sequence[str]:
    """Each function once, also where several hops call it."""
    return list(dict.fromkeys(function for functions in calls.values() for function in functions))


def split(function: str) -> tuple[str, str]:
    """Its file, and its name there."""
    file, _, name = function.partition(": ")
    return file, name
