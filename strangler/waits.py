"""What a plan must say before a step in the middle of the chain can be taken over, so that the rest never hangs. Pure.

The middle is the steps whose outcome the chain waits for; what does not wait is the tail, which acts on the subject
once it is accepted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Link:
    """A step as these rules see it. `topics` are those of its new side, None while nobody has built it."""

    name: str
    topics: Sequence[str] | None
    waits: bool


def waiting_problems(links: Sequence[Link], *, topics: Collection[str], resumed: bool) -> Iterable[str]:
    """What is wrong, and the fix. `resumed`: something goes on with subjects that no request waits for."""
    yield from _order(links)
    middle = [link for link in links if link.waits]
    for link in middle:
        yield from _own(link, topics)
    for before, link in pairwise(middle):
        if link.topics is not None and before.name not in link.topics:
            yield (
                f"step {link.name!r} follows {before.name!r} and does not read its outcomes; "
                f"add {before.name!r} to its context's topics"
            )
    if middle and not resumed:
        yield (
            f"step {middle[0].name!r} waits, but nobody goes on with subjects whose request has given up; "
            "name what does in `resumer`"
        )


def _order(links: Sequence[Link]) -> Iterable[str]:
    unawaited: str | None = None
    for link in links:
        if unawaited is not None and link.topics is None:
            yield (
                f"step {link.name!r} stays legacy after {unawaited!r}, which is taken over and not waited for; "
                f"take {link.name!r} over too, or give {unawaited!r} a seam that pauses and waits=True"
            )
        elif unawaited is not None and link.waits:
            yield (
                f"step {link.name!r} is waited for, but {unawaited!r} before it is not: it would act on subjects that "
                f"{link.name!r} may still refuse; give {unawaited!r} waits=True, or move it behind {link.name!r}"
            )
        if link.topics is not None and not link.waits:
            unawaited = link.name


def _own(link: Link, topics: Collection[str]) -> Iterable[str]:
    if link.topics is None:
        yield f"step {link.name!r} has waits=True but no new side to wait for; give it a context, or leave waits out"
        return
    if link.name not in topics:
        yield f"step {link.name!r} is waited for, but its outcomes have no topic; add {link.name!r} to `topics`"
    if link.name not in link.topics:
        yield (
            f"step {link.name!r} cannot shadow: what legacy got is told in topic {link.name!r}; "
            "add it to its context's topics"
        )
