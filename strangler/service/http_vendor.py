"""A vendor behind HTTP, as a service declares it: where it is, what is asked of it, what of its answers is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from outbox.terms import check_terms
from strangler.errors import BadInput
from strangler.step.vendor import Vendor

DAY_S = 86_400.0
_REQUEST = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/\S*)")


@dataclass(frozen=True, slots=True)
class HttpVendor:
    """One operation of a vendor. Its address is read from the variable `url_env` when the service is started.

    `send` asks for the effect, with its key as `Idempotency-Key`. `look_up` asks by `{key}` whether it was done, and
    must do nothing; without it, an effect of unknown outcome that is older than its key goes to an operator
    (`strangler effects`). A vendor that knows no keys has `key_lifetime_s=0`: it is asked once, and again only where
    no connection was made. `keeps`: the fields of an answer that `conclude` gets, by name, or by name and type; an
    answer without one of them is unknown, and asked for again. Without `keeps` only the status is kept.
    `timeout_s` holds for connecting and for reading. `key_lifetime_s`: how long the vendor promises to know a key;
    an older effect of unknown outcome is looked up, never sent again. `key` makes the vendor's key from the effect's,
    where an operation is asked for by the key of another one, as a refund is by its charge's.
    `calls_per_s`: what the vendor takes from all who call it. While a step is moved legacy's calls count too: they are
    never held back, and the new side makes those that are left, all its instances together.
    `ledger`: a GET of the vendor's own account of what it was asked, for the judge. It answers a JSON array of entries
    `{"key": ..., "body": {...}}` (or the body's fields beside the key), or pages `{"entries": [...], "next": N}`: it is
    asked again with `?after=N` until a page has no entries or no other `next`. An entry may have an `answer`, which is
    an object. Entries with a key that is none of ours are left out, unless `ledger_subject` names the field of their
    body that has the subject's reference.

    2xx is done, 408, 409, 425, 429, 5xx and a timeout say nothing, any other 4xx is a refusal; for a look-up 404 is
    absent, 410 was done and taken back.

    >>> mail = HttpVendor("MAIL_URL", send="POST /messages", look_up="GET /messages/{key}")
    >>> mail.requests()
    (('POST', '/messages'), ('GET', '/messages/{key}'))
    """

    url_env: str
    send: str
    look_up: str = ""
    keeps: Mapping[str, type] | Sequence[str] = ()
    timeout_s: float = 5.0
    key_lifetime_s: float = DAY_S
    key: Callable[[str], str] | None = None
    ledger: str = ""
    ledger_subject: str = ""
    calls_per_s: float | None = None

    def __post_init__(self) -> None:
        check_terms(self, error=BadInput, above_zero=("timeout_s", "calls_per_s"), from_zero=("key_lifetime_s",))
        for name in ("send", *(["look_up"] if self.look_up else [])):
            if _REQUEST.fullmatch(getattr(self, name)) is None:
                raise BadInput(
                    f"HttpVendor.{name} is {getattr(self, name)!r}; write method and path, as in 'POST /messages'"
                )
        if self.look_up and "{key}" not in self.look_up:
            raise BadInput(
                f"HttpVendor.look_up is {self.look_up!r}; say where the key goes, as in 'GET /messages/{{key}}'"
            )
        if self.ledger and re.fullmatch(r"GET /\S*", self.ledger) is None:
            raise BadInput(f"HttpVendor.ledger is {self.ledger!r}; write GET and the path, as in 'GET /messages'")

    def requests(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Method and path of `send`, then of `look_up`, which are empty where it has none."""
        (send_method, _, send_path), (look_method, _, look_path) = self.send.partition(" "), self.look_up.partition(" ")
        return (send_method, send_path), (look_method, look_path)

    def kept(self) -> Mapping[str, type]:
        """The fields to keep, by type; `object` where any value but null will do."""
        return self.keeps if isinstance(self.keeps, Mapping) else dict.fromkeys(self.keeps, object)

    def at(self, environ: Mapping[str, str], caller: str = "a service") -> Vendor:
        """A client for the address that the environment names; `BadInput` where it names none."""
        from strangler.service.http_client import HttpClient  # noqa: PLC0415 - a declaration imports no HTTP client

        return HttpClient(self.url(environ, caller), self)

    def url(self, environ: Mapping[str, str], caller: str) -> str:
        """The address that the environment names; `BadInput` where it names none."""
        url = environ.get(self.url_env)
        if not url:
            raise BadInput(
                f"not set: {self.url_env}, which {caller} calls; set it, such as {self.url_env}=http://localhost:8025, "
                f'or name it by url="{self.url_env}" in a Process of the plan, which `strangler up` starts'
            )
        return url
