"""Which class of work a request is of, by its method and its path in every form. Pure."""

from __future__ import annotations

from strangler.admission.declared import ANY_METHOD, Admission
from strangler.facade.patterns import PathPattern
from strangler.facade.readings import has_one_reading, readings
from strangler.facade.targets import origin_form


class WorkClasses:
    """A plan's admission, compiled once."""

    def __init__(self, admission: Admission) -> None:
        self._rules = [
            (one.method, PathPattern.of(one.path, case_insensitive=True).loose, admission.rank(one.work))
            for one in admission.belongs
        ]
        self._others = admission.rank(admission.others)
        self._lowest = len(admission.classes) - 1

    def rank(self, method: str, target: str) -> int:
        """Of several forms of a path that an application may read, the lowest class counts: no spelling is a way up."""
        path = (origin_form(target) or "*").partition("#")[0].partition("?")[0]
        if has_one_reading(path):
            return self._of(method, path)
        read = readings(path)
        return self._lowest if read is None else max(self._of(method, one.text) for one in read)

    def _of(self, method: str, path: str) -> int:
        asked = "GET" if method == "HEAD" else method
        for wanted, pattern, rank in self._rules:
            if wanted in (ANY_METHOD, method, asked) and pattern.fullmatch(path):
                return rank
        return self._others
