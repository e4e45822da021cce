"""Which commands a replay takes from a file."""

from __future__ import annotations

from pathlib import Path

from legacy_app.rehearsal.orders_file import SAMPLE, CancelOrder, PlaceOrder
from legacy_app.rehearsal.orders_file.channel import channel_of
from legacy_app.rehearsal.orders_file.line import COLUMNS
from legacy_app.rehearsal.replay.selection import Window, select


def file_of(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return path


def row(invoice: str, pieces: int = 5) -> str:
    return f"{invoice},2011-06-01T08:26,17,UK,SKU-{invoice[-1]},X,{pieces},1"


def test_a_window_takes_its_orders_and_only_their_cancellations(tmp_path: Path) -> None:
    path = file_of(tmp_path, row("1"), row("2"), row("C91", -1), row("C92", -1), row("3"), row("C93", -1))

    chosen, intake = select(path, Window(orders=1, offset=1))

    assert [type(command) for command in chosen] == [PlaceOrder, CancelOrder]
    assert [command.client_ref for command in chosen] == ["2", "2"]
    assert (intake.lines, intake.complete) == (6, True)


def test_a_suffix_makes_new_orders_of_the_same(tmp_path: Path) -> None:
    chosen, _ = select(file_of(tmp_path, row("1"), row("C91", -1)), Window(orders=1, suffix="-again"))

    order, cancellation = chosen
    assert isinstance(order, PlaceOrder)
    assert order.client_ref == order.body["client_ref"] == "1-again"
    assert isinstance(cancellation, CancelOrder)
    assert (cancellation.client_ref, cancellation.cancellation_ref) == ("1-again", "C91-again")


def test_a_short_file_gives_what_it_has(tmp_path: Path) -> None:
    chosen, _ = select(file_of(tmp_path, row("1")), Window(orders=10))

    assert len(chosen) == 1


def test_without_cancellations_reading_ends_with_the_window() -> None:
    chosen, intake = select(SAMPLE, Window(orders=10, cancellations=False))

    assert len(chosen) == 10
    assert not intake.complete


def test_channels_are_drawn_from_the_invoice_number_with_one_hot_merchant() -> None:
    drawn = [channel_of(str(number)) for number in range(10_000)]

    assert drawn == [channel_of(str(number)) for number in range(10_000)]
    shares = {name: sum(channel == name for channel, _ in drawn) / 10_000 for name in ("web", "store_pickup")}
    assert 0.68 < shares["web"] < 0.72
    assert 0.13 < shares["store_pickup"] < 0.17
    merchants = [merchant for _, merchant in drawn if merchant]
    assert len(set(merchants)) == 8
    assert 0.45 < merchants.count("merchant-1") / len(merchants) < 0.55
