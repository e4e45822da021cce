"""Lines that stand together under one invoice number, as one invoice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from legacy_app.rehearsal.orders_file.intake import Intake
from legacy_app.rehearsal.orders_file.line import Line
from legacy_app.rehearsal.orders_file.reason import Reason

MAX_LINES = 5_000


@dataclass(frozen=True, slots=True)
class Invoice:
    """An order's or a cancellation's lines; customer, country and time are those of the first."""

    number: str
    cancels: bool
    lines: tuple[Line, ...]

    @property
    def customer_id(self) -> str | None:
        return self.lines[0].customer_id


def invoices(lines: Iterable[Line], intake: Intake) -> Iterator[Invoice]:
    """Group neighbours. A number that comes back later would be a second order: its lines are rejected."""
    closed: set[str] = set()
    group: list[Line] = []
    for line in lines:
        if group and line.invoice_no != group[0].invoice_no:
            closed.add(group[0].invoice_no)
            yield _invoice(group)
            group = []
        reason = _misfit(line, group, closed)
        if reason is None:
            group.append(line)
        else:
            intake.reject(reason, f"invoice {line.invoice_no}, customer {line.customer_id}, {line.country}")
    if group:
        yield _invoice(group)


def _misfit(line: Line, group: list[Line], closed: set[str]) -> Reason | None:
    if line.invoice_no in closed:
        return Reason.INVOICE_REOPENED
    if group and (line.customer_id, line.country) != (group[0].customer_id, group[0].country):
        return Reason.OTHER_CUSTOMER
    if len(group) >= MAX_LINES:
        return Reason.INVOICE_TOO_LONG
    return None


def _invoice(group: list[Line]) -> Invoice:
    return Invoice(group[0].invoice_no, group[0].cancels, tuple(group))
