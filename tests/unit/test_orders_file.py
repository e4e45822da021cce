"""The orders file: every line has exactly one fate, whatever is in it; a file that cannot be read says why."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legacy_app.rehearsal.orders_file import SAMPLE, CancelOrder, Command, Intake, PlaceOrder, commands, open_lines
from legacy_app.rehearsal.orders_file.line import COLUMNS, MAX_LINE_BYTES
from legacy_app.rehearsal.orders_file.reason import Reason, Unmatched
from strangler.errors import BadInput

GOOD = "536365,2011-06-01T08:26,17850,United Kingdom,85123A,WHITE HEART,6,2.55"


def read(*lines: str | bytes) -> tuple[list[Command], Intake]:
    intake = Intake()
    raw = [line if isinstance(line, bytes) else f"{line}\n".encode() for line in lines]
    return list(commands(COLUMNS, raw, intake)), intake


def accounted(intake: Intake) -> int:
    return intake.ordered + intake.cancelled + intake.rejected.total() + intake.unmatched.total()


def test_neighbouring_lines_of_an_invoice_become_one_order() -> None:
    found, intake = read(GOOD, "536365,2011-06-01T08:26,17850,United Kingdom,71053,LANTERN,1,3.39")

    (order,) = found
    assert isinstance(order, PlaceOrder)
    assert order.client_ref == "536365"
    assert {name: order.body[name] for name in ("client_ref", "customer_id", "country", "placed_at")} == {
        "client_ref": "536365",
        "customer_id": "17850",
        "country": "United Kingdom",
        "placed_at": "2011-06-01T08:26:00",
    }
    assert order.body["lines"] == [
        {"sku": "85123A", "description": "WHITE HEART", "quantity": 6, "unit_price_minor": 255},
        {"sku": "71053", "description": "LANTERN", "quantity": 1, "unit_price_minor": 339},
    ]
    assert intake.lines == accounted(intake) == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2011-06-01T08:26,1,UK,,X,6,2.55", Reason.MISSING_STOCK_CODE),
        ("1,2011-06-01T08:26,1,,A,X,6,2.55", Reason.MISSING_COUNTRY),
        ("1,2011-06-01T08:26,1,UK,A,X,6,free", Reason.BAD_PRICE),
        ("1,2011-06-01T08:26,1,UK,A,X,6,nan", Reason.BAD_PRICE),
        ("1,2011-06-01T08:26,1,UK,A,X,6,0", Reason.PRICE_NOT_POSITIVE),
        ("1,2011-06-01T08:26,1,UK,A,X,6,-11062.06", Reason.PRICE_NOT_POSITIVE),
        ("1,2011-06-01T08:26,1,UK,A,X,6,0.001", Reason.PRICE_BELOW_A_PENNY),
        ("1,2011-06-01T08:26,1,UK,A,X,6,1e30", Reason.PRICE_TOO_LARGE),
        ("1,2011-06-01T08:26,1,UK,A,X,six,2.55", Reason.BAD_QUANTITY),
        ("1,2011-06-01T08:26,1,UK,A,X,1.5,2.55", Reason.BAD_QUANTITY),
        ("1,2011-06-01T08:26,1,UK,A,X,0,2.55", Reason.ZERO_QUANTITY),
        ("1,2011-06-01T08:26,1,UK,A,X,-3,2.55", Reason.NEGATIVE_QUANTITY),
        ("1,2011-06-01T08:26,1,UK,A,X,99999999999,2.55", Reason.QUANTITY_TOO_LARGE),
        ("C1,2011-06-01T08:26,1,UK,A,X,3,2.55", Reason.POSITIVE_CANCELLATION),
        ("1,yesterday,1,UK,A,X,6,2.55", Reason.BAD_DATE),
        ("A563185,2011-08-12T14:50,,UK,B,Adjust bad debt,1,11062.06", Reason.ADJUSTMENT),
        ("order one,2011-06-01T08:26,1,UK,A,X,6,2.55", Reason.BAD_INVOICE),
        ("1,2011-06-01T08:26,1,UK,A,X,6", Reason.COLUMN_COUNT),
        ("1,2011-06-01T08:26,1,UK,A,X,6,2.55,more", Reason.COLUMN_COUNT),
        ('1,2011-06-01T08:26,1,UK,A,"X,6,2.55', Reason.BAD_CSV),
        ("1,2011-06-01T08:26,1,UK,A,X\x00Y,6,2.55", Reason.BAD_CSV),
        (b"1,2011-06-01T08:26,1,UK,A,\xa3 COIN,6,2.55\n", Reason.UNDECODABLE),
        (f"1,2011-06-01T08:26,1,UK,A,{'X' * 300},6,2.55", Reason.TOO_LONG),
        (f"1,2011-06-01T08:26,1,UK,A,{'X' * MAX_LINE_BYTES},6,2.55", Reason.TOO_LONG),
        ("", Reason.EMPTY_LINE),
    ],
)
def test_a_dirty_line_is_counted_by_its_reason(line: str | bytes, reason: Reason) -> None:
    found, intake = read(GOOD, line)

    assert [command.client_ref for command in found] == ["536365"]
    assert intake.rejected == {reason: 1}
    assert intake.lines == accounted(intake) == 2


@pytest.mark.parametrize(("price", "pence"), [("0.125", 12), ("0.135", 14), ("2.5", 250), ("1e2", 10_000), ("7", 700)])
def test_prices_are_rounded_half_to_even_pence(price: str, pence: int) -> None:
    (order,), _ = read(f"1,2011-06-01T08:26,1,UK,A,X,1,{price}")

    assert isinstance(order, PlaceOrder)
    assert order.body["lines"][0]["unit_price_minor"] == pence


def test_an_invoice_that_comes_back_later_is_no_second_order() -> None:
    other = GOOD.replace("536365", "536366")
    found, intake = read(GOOD, other, GOOD)

    assert [command.client_ref for command in found] == ["536365", "536366"]
    assert intake.rejected == {Reason.INVOICE_REOPENED: 1}


def test_a_line_of_another_customer_is_not_put_into_the_order() -> None:
    _, intake = read(GOOD, GOOD.replace("17850", "17851"))

    assert (intake.ordered, intake.rejected) == (1, {Reason.OTHER_CUSTOMER: 1})


@given(st.lists(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode), st.just(GOOD.encode()))))
def test_no_bytes_stop_the_reading_and_every_line_is_accounted_for(lines: list[bytes]) -> None:
    _, intake = read(*lines)

    assert intake.lines == accounted(intake) == len(lines)


FIELDS = st.tuples(
    st.sampled_from(["1", "2", "C3", "C4", "A5", "", "x"]),
    st.sampled_from(["2011-06-01T08:26", "never", ""]),
    st.sampled_from(["17", "18", ""]),
    st.sampled_from(["UK", "France", ""]),
    st.sampled_from(["A", "B", ""]),
    st.text(max_size=8),
    st.integers(-5, 5).map(str) | st.text(max_size=4),
    st.sampled_from(["1.25", "0", "-1", "0.004", "x", "1e99"]),
)


@given(st.lists(FIELDS, max_size=40))
def test_no_order_gets_more_cancelled_than_it_had(rows: list[tuple[str, ...]]) -> None:
    found, intake = read(*[",".join(row).encode(errors="surrogatepass") for row in rows])

    left: Counter[tuple[str, str]] = Counter()
    for command in found:
        if isinstance(command, PlaceOrder):
            left.update({(command.client_ref, line["sku"]): 0 for line in command.body["lines"]})
            for line in command.body["lines"]:
                left[command.client_ref, line["sku"]] += line["quantity"]
        else:
            for sku, quantity in command.pieces:
                left[command.client_ref, sku] -= quantity
                assert left[command.client_ref, sku] >= 0
    assert intake.lines == accounted(intake) == len(rows)


def order(number: int, sku: str, pieces: int, customer: str = "17") -> str:
    return f"{number},2011-06-01T08:26,{customer},UK,{sku},X,{pieces},1"


def cancellation(number: int, sku: str, pieces: int, customer: str = "17") -> str:
    return f"C{number},2011-06-02T08:26,{customer},UK,{sku},X,-{pieces},1"


def cancelled(found: list[Command]) -> list[tuple[str, str, tuple[tuple[str, int], ...]]]:
    return [
        (command.cancellation_ref, command.client_ref, command.pieces)
        for command in found
        if isinstance(command, CancelOrder)
    ]


def test_a_cancelled_line_belongs_to_the_newest_earlier_order_with_enough_left() -> None:
    found, _ = read(order(1, "A", 10), order(2, "A", 4), cancellation(3, "A", 3), cancellation(4, "A", 3))

    assert cancelled(found) == [("C3", "2", (("A", 3),)), ("C4", "1", (("A", 3),))]


def test_a_cancellation_over_two_orders_becomes_a_command_for_each() -> None:
    found, _ = read(order(1, "A", 5), order(2, "B", 5), cancellation(3, "A", 1), cancellation(3, "B", 2))

    assert cancelled(found) == [("C3", "1", (("A", 1),)), ("C3", "2", (("B", 2),))]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (cancellation(3, "A", 1, customer=""), Unmatched.NO_CUSTOMER),
        (cancellation(3, "Z", 1), Unmatched.NO_EARLIER_ORDER),
        (cancellation(3, "A", 1, customer="18"), Unmatched.NO_EARLIER_ORDER),
        (cancellation(3, "A", 6), Unmatched.NOT_ENOUGH_LEFT),
    ],
)
def test_a_cancelled_line_without_its_order_is_counted_by_its_reason(line: str, reason: Unmatched) -> None:
    found, intake = read(order(1, "A", 5), line)

    assert cancelled(found) == []
    assert intake.unmatched == {reason: 1}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("orders.csv", b"", "nothing"),
        ("orders.csv", b"InvoiceNo,StockCode\n1,2\n", "invoiceno, stockcode"),
        ("orders.csv", (",".join(COLUMNS) + ",country\n").encode(), "twice"),
        ("orders.csv.gz", b"invoice_no\n", "not gzip"),
        # Without a time: the bytes name the test, and its name must be the same in every process.
        ("orders.csv", gzip.compress(b"invoice_no\n", mtime=0), "name it .csv.gz"),
        ("orders.csv.gz", gzip.compress((",".join(COLUMNS) + "\n").encode() * 99, mtime=0)[:60], "whole gzip"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(BadInput, match=says), open_lines(path) as (_, lines):
        list(lines)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--orders-file"), open_lines(tmp_path / "none.csv") as _:
        pass


def test_columns_may_stand_in_any_order_beside_others(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    header = "\ufeffunit_price,colour,quantity,description,stock_code,country,customer_id,invoiced_at,invoice_no\r\n"
    path.write_bytes((header + "2.55,red,6,X,A,UK,17,2011-06-01T08:26,9\r\n").encode())
    intake = Intake()

    with open_lines(path) as (columns, lines):
        (found,) = commands(columns, lines, intake)

    assert (found.client_ref, intake.rejected) == ("9", {})


def test_an_endless_line_is_one_rejected_line(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(",".join(COLUMNS) + "\n" + "x" * (3 * MAX_LINE_BYTES) + "\n" + GOOD + "\n")
    intake = Intake()

    with open_lines(path) as (columns, lines):
        found = list(commands(columns, lines, intake))

    assert (len(found), intake.lines, intake.rejected) == (1, 2, {Reason.TOO_LONG: 1})


def test_the_shipped_sample_is_small_and_has_orders_and_cancellations() -> None:
    intake = Intake()
    with open_lines(SAMPLE) as (columns, lines):
        found = list(commands(columns, lines, intake))

    assert SAMPLE.stat().st_size < 250_000
    assert intake.lines == accounted(intake) == 12_985
    assert sum(isinstance(command, PlaceOrder) for command in found) == 536
    assert len(cancelled(found)) == 32
    assert (SAMPLE.parent / "ATTRIBUTION.md").is_file()
