"""Orders files as others export them: the same orders in another form, or the cause and the way out."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path

import pytest

from legacy_app.cli import main
from legacy_app.rehearsal.orders_file import CancelOrder, Intake, PlaceOrder, commands, open_lines
from legacy_app.rehearsal.orders_file.customer import customer_of
from legacy_app.rehearsal.orders_file.line import COLUMNS
from legacy_app.rehearsal.orders_file.reason import EXPECTED, Reason, Unmatched
from strangler.errors import BadInput

HEADER = ",".join(COLUMNS)
# Two guests: one orders, the other returns the same article. And a customer who cancels one of two pieces.
GUESTS = (
    "700,2011-06-01T08:26,{guest},France,22041,RECORD FRAME,4,2.10\n"
    "701,2011-06-01T08:30,{customer},UK,21314,GLASS POT,2,2.10\n"
    "C702,2011-06-02T09:00,{guest},France,22041,RECORD FRAME,-1,2.10\n"
    "C703,2011-06-02T09:10,14001,UK,21314,GLASS POT,-1,2.10\n"
)


def read(path: Path) -> tuple[list[PlaceOrder | CancelOrder], Intake]:
    intake = Intake()
    with open_lines(path) as (columns, lines):
        return list(commands(columns, lines, intake)), intake


@pytest.mark.parametrize("guest", ["", "nan", "NaN", "NULL", "null", "None", "0", "0.0", "-1", "N/A", "<NA>", r"\N"])
@pytest.mark.parametrize("customer", ["14001", "14001.0", "1.4001E+04"])
def test_a_guest_is_nobody_and_a_customer_one(tmp_path: Path, guest: str, customer: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADER}\n{GUESTS.format(guest=guest, customer=customer)}")

    found, intake = read(path)

    assert [one.body["customer_id"] for one in found if isinstance(one, PlaceOrder)] == [None, "14001"]
    assert [one.client_ref for one in found if isinstance(one, CancelOrder)] == ["701"]
    assert intake.unmatched == {Unmatched.NO_CUSTOMER: 1}


@pytest.mark.parametrize("name", ["00017850", "ann", "17850.5", "17,850", "K-0", "Nana"])
def test_what_names_somebody_stays_as_it_is(name: str) -> None:
    assert customer_of(name) == name


@pytest.mark.parametrize(
    "header",
    [
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country",
        '"INVOICE NO","Stock Code","description",quantity,"invoiced_at",unit_price,"customer-id",country',
        ",Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country,",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_data_sets_own_column_names_are_read(tmp_path: Path, header: str, end: str, mark: bytes) -> None:
    index, rest = ("0,", ",") if header.startswith(",") else ("", "")
    line = f"{index}536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom{rest}"
    path = tmp_path / "orders.csv"
    path.write_bytes(mark + f"{header}{end or chr(10)}{line}{end}".encode())

    (order,), intake = read(path)

    assert isinstance(order, PlaceOrder)
    assert (order.client_ref, order.body["customer_id"], order.body["placed_at"]) == (
        "536365",
        "17850",
        "2010-12-01T08:26:00",
    )
    assert order.body["lines"][0]["unit_price_minor"] == 255
    assert intake.rejected == {}


def test_a_column_of_our_name_goes_before_one_of_another(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADER},price\n700,2011-06-01T08:26,1,UK,A,X,1,2.55,999\n")

    (order,), _ = read(path)

    assert isinstance(order, PlaceOrder)
    assert order.body["lines"][0]["unit_price_minor"] == 255


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", HEADER.replace(",", ";").encode(), r"separates its fields by ';'.*commas.*decimal point"),
        ("a.csv", HEADER.replace(",", "\t").encode(), "by a tab"),
        ("a.csv", HEADER.encode("utf-16"), "UTF-16.*iconv"),
        ("a.csv", HEADER.encode("utf-16-be"), "UTF-16.*iconv"),
        ("a.csv", HEADER.encode("utf-32"), "UTF-32.*iconv"),
        ("a.csv.gz", gzip.compress(HEADER.encode("utf-16"), mtime=0), "UTF-16.*iconv"),
        ("a.zip", b"PK\x03\x04rest", "zip or .xlsx.*unpack it"),
        ("a.xlsx", b"PK\x03\x04rest", "save the sheet as CSV"),
        ("a.csv", f"{HEADER}\r700,".encode(), "CR alone"),
        ("a.csv", b"\x1b[31mRED\x1b]0;title\x07,a\n1,2\n", r"lacks the columns.*\\x1b\[31mred"),
        ("a.csv", b"Invoice,InvoiceNo," + HEADER.replace("invoice_no,", "").encode(), "invoice_no twice"),
    ],
)
def test_another_kind_of_file_is_named_with_its_way_out(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(BadInput, match=says) as refused:
        read(path)
    assert str(refused.value).replace("\t", " ").isprintable()


@pytest.mark.parametrize("packed", [False, True])
def test_a_pipe_is_read_once_and_whole(tmp_path: Path, packed: bool) -> None:
    pipe, data = tmp_path / "pipe", f"{HEADER}\n{GUESTS.format(guest='', customer='14001')}".encode()
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(data) if packed else data,))
    writer.start()

    found, intake = read(pipe)
    writer.join(timeout=10)

    assert (len(found), intake.lines) == (3, 4)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("700,01/06/2011 08:26,1,UK,A,X,1,2.55", ["bad_date", "01/06/2011 08:26", "2011-06-01T08:26"]),
        ("700.0,2011-06-01T08:26,1,UK,A,X,1,2.55", ["bad_invoice", "700.0", "536365"]),
        ('700,2011-06-01T08:26,1,UK,A,X,1,"2,55"', ["bad_price", '"2,55"', "decimal point"]),
        ("700,2011-06-01T08:26,1,UK,A,\x1b[2JX,six,2.55", ["bad_quantity", r"\x1b[2JX", "whole number"]),
        ("", ["no line below its first"]),
    ],
)
def test_a_file_without_an_order_ends_with_1_and_the_commonest_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, says: list[str]
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"{HEADER}\n{line}")

    code = main(["replay", "--dry-run", "--json", "--orders-file", str(path)])

    told = capsys.readouterr()
    assert (code, json.loads(told.out)["orders"]) == (1, 0)
    assert "has 0 orders" in told.err
    assert [words for words in says if words not in told.err] == []
    assert "\x1b" not in told.err


def test_every_reason_names_what_was_expected() -> None:
    assert set(EXPECTED) == set(Reason)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"{HEADER}\n700,01/06/2011 08:26,1,UK,A,X,1,2.55\n", "bad_date"),
        ("a,b\n", "lacks the columns"),
        (None, "not a regular file"),
    ],
)
def test_the_demo_looks_at_the_file_before_it_starts_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, says: str
) -> None:
    path = tmp_path / "orders.csv"
    if content is None:
        os.mkfifo(path)
    else:
        path.write_text(content)

    assert main(["demo", "--orders-file", str(path), "--kafka", "127.0.0.1:1"]) == 2

    told = capsys.readouterr().err
    assert says in told
    assert "starting" not in told
