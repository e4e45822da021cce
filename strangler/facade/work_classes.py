"""Which class of work a request is of, by its method, its path in every form, and what it carries. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from strangler.admission.declared import ANY_METHOD, Admission
from strangler.facade.caller import carries
from strangler.facade.message import Headers
from strangler.facade.patterns import PathPattern
from strangler.facade.readings import has_one_reading, readings
from strangler.facade.targets import origin_form

Rule: TypeAlias = tuple[str, re.Pattern[str], int]


class WorkClasses:
    """A plan's admission, compiled once."""

    def __init__(self, admission: Admission) -> None:
        rules = [
            (one, (one.method, PathPattern.of(one.path, case_insensitive=True).loose, admission.rank(one.work)))
            for one in admission.belongs
        ]
        self._rules = [rule for one, rule in rules if not one.caller]
        self._lowering = [(one.caller, rule) for one, rule in rules if one.caller]
        self._others = admission.rank(admission.others)
        self._lowest = len(admission.classes) - 1

    def rank(self, method: str, target: str, headers: Headers = ()) -> int:
        """Of several forms of a path that an application may read, the lowest class counts: no spelling is a way up."""
        path = (origin_form(target) or "*").partition("#")[0].partition("?")[0]
        lowering = [rule for caller, rule in self._lowering if carries(caller, headers)]
        if has_one_reading(path):
            return self._of(method, path, lowering)
        read = readings(path)
        return self._lowest if read is None else max(self._of(method, one.text, lowering) for one in read)

    def _of(self, method: str, path: str, lowering: Sequence[Rule]) -> int:
        by_path = next(_fitting(self._rules, method, path), self._others)
        return max([by_path, *_fitting(lowering, method, path)])


def _fitting(rules: Sequence[Rule], method: str, path: str) -> Iterator[int]:
    asked = "GET" if method == "HEAD" else method
    for wanted, pattern, rank in rules:
        if wanted in (ANY_METHOD, method, asked) and pattern.fullmatch(path):
            yield rank
