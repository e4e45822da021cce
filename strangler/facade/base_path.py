"""An application whose paths begin with a base: added to what it is sent, taken off what it says. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from strangler.facade.message import Headers

_BASE = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9\-._~!$&'()*+,=:@]+)*/?")  # RFC 3986 section 3.3, unescaped
_PLACE = re.compile(r"(?P<to>(?:https?:)?//(?P<host>[^/?#]*))?(?P<path>/[^?#]*)(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_ELSEWHERE = re.compile(r"[/\\\x00-\x20]{2,}")  # at its beginning a browser may take what follows for a host
_PLACES = frozenset({"location", "content-location"})


@dataclass(frozen=True, slots=True)
class BasePath:
    """`path` begins with a slash and does not end with one; it is empty where there is no base."""

    path: str

    @classmethod
    def of(cls, path: str) -> BasePath | None:
        """None for what is none.

        >>> BasePath.of("/shop/"), BasePath.of("/"), BasePath.of("/a/../b")
        (BasePath(path='/shop'), BasePath(path=''), None)
        """
        return cls(path.rstrip("/")) if _BASE.fullmatch(path) else None

    def sent(self, target: str) -> str:
        """A target in origin form, as the application takes it.

        >>> BasePath("/shop").sent("/orders?a"), BasePath("/shop").sent("*")
        ('/shop/orders?a', '*')
        """
        return target if target == "*" else self.path + target

    def shown(self, headers: Headers, hosts: Collection[str]) -> Headers:
        """An answer's fields as the client may follow them. `hosts`: of the request; other hosts' places stay.

        >>> BasePath("/shop").shown([("Location", "/shop/orders/1"), ("Set-Cookie", "s=1; Path=/shop")], ["h"])
        [('Location', '/orders/1'), ('Set-Cookie', 's=1; Path=/')]
        """
        return [(name, self._shown(name.lower(), value, hosts)) for name, value in headers]

    def _shown(self, name: str, value: str, hosts: Collection[str]) -> str:
        if name == "set-cookie":
            first, *attributes = value.split(";")
            return ";".join([first, *map(self._attribute, attributes)])
        found = _PLACE.fullmatch(value) if name in _PLACES else None
        if found is None or (found["to"] and found["host"].lower() not in {host.lower() for host in hosts}):
            return value
        path = self._without(found["path"])
        if path != found["path"] and (led := _ELSEWHERE.match(path)):
            path = f"/{path[led.end() :]}"
        return (found["to"] or "") + path + found["rest"]

    def _attribute(self, text: str) -> str:
        name, equals, path = text.partition("=")
        return name + equals + self._without(path.strip()) if name.strip().lower() == "path" else text

    def _without(self, path: str) -> str:
        """
        >>> [BasePath("/a")._without(path) for path in ("/a", "/a/", "/a/b", "/ab")]
        ['/', '/', '/b', '/ab']
        """
        inside = path == self.path or path.startswith(f"{self.path}/")
        return (path[len(self.path) :] or "/") if inside else path


def climbs(path: str) -> bool:
    """Whether its `..` lead above where it begins.

    >>> [climbs(path) for path in ("/a/../b", "/..", "/a/..//../b")]
    [False, True, True]
    """
    depth = 0
    for segment in path.split("/"):
        depth += -1 if segment == ".." else segment not in ("", ".")
        if depth < 0:
            return True
    return False
