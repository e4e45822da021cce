"""Which order a line of a cancellation cancels: the data does not say, so this rule does.

A cancelled line belongs to the newest earlier order of the same customer and stock code in which that many pieces
are still uncancelled. Lines are matched one by one, in the order of the file, each wholly to one order: greedy. A
line without a customer, without an earlier order, or larger than what any one order has left is not matched; it is
counted by that reason.
"""

from __future__ import annotations

from collections import defaultdict

from legacy_app.rehearsal.orders_file.invoice import Invoice
from legacy_app.rehearsal.orders_file.line import Line
from legacy_app.rehearsal.orders_file.reason import Unmatched


class OpenOrders:
    """What every customer has ordered and not cancelled, oldest first. Grows with the orders read."""

    def __init__(self) -> None:
        self._left: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)

    def add(self, order: Invoice) -> None:
        for line in order.lines:
            if line.customer_id is not None:
                left = self._left[line.customer_id, line.sku]
                left[order.number] = left.get(order.number, 0) + line.quantity

    def match(self, line: Line) -> str | Unmatched:
        """Take the pieces from an order and name it by its invoice number."""
        if line.customer_id is None:
            return Unmatched.NO_CUSTOMER
        left = self._left.get((line.customer_id, line.sku))
        if left is None:
            return Unmatched.NO_EARLIER_ORDER
        for number in reversed(left):
            if left[number] >= line.quantity:
                left[number] -= line.quantity
                return number
        return Unmatched.NOT_ENOUGH_LEFT
