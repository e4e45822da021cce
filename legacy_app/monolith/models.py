"""The monolith's tables as SQLAlchemy sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import Engine, ForeignKey, MetaData, create_engine, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Table(DeclarativeBase):
    metadata = MetaData(schema="legacy")


class Order(Table):
    """An order. `version` counts its changes: 1 = placed, then one more for each cancellation."""

    __tablename__ = "orders"

    order_ref: Mapped[str] = mapped_column(primary_key=True)
    client_ref: Mapped[str]
    channel: Mapped[str]
    merchant_id: Mapped[str | None]
    customer_id: Mapped[str | None]
    country: Mapped[str]
    placed_at: Mapped[str]
    status: Mapped[str]
    total_minor: Mapped[int]
    version: Mapped[int]
    subject_version: Mapped[int] = mapped_column(default=0)  # seam
    ownership: Mapped[str] = mapped_column(default="")  # seam
    rejected_by: Mapped[str | None]  # seam
    rejection: Mapped[str | None]  # seam
    lines: Mapped[list[OrderLine]] = relationship(order_by="OrderLine.line_no", lazy="selectin")


class OrderLine(Table):
    __tablename__ = "order_line"

    order_ref: Mapped[str] = mapped_column(ForeignKey("legacy.orders.order_ref"), primary_key=True)
    line_no: Mapped[int] = mapped_column(primary_key=True)
    sku: Mapped[str]
    description: Mapped[str]
    quantity: Mapped[int]
    cancelled: Mapped[int] = mapped_column(default=0)
    unit_price_minor: Mapped[int]


class Cancellation(Table):
    """`version` is the order's version that the cancellation made. Refunds are paid out by the nightly batch."""

    __tablename__ = "cancellation"

    order_ref: Mapped[str] = mapped_column(ForeignKey("legacy.orders.order_ref"), primary_key=True)
    cancellation_ref: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    refund_minor: Mapped[int]


class FraudScore(Table):
    __tablename__ = "fraud_score"

    order_ref: Mapped[str] = mapped_column(ForeignKey("legacy.orders.order_ref"), primary_key=True)
    score: Mapped[int]


class Velocity(Table):
    """An order that fraud has cleared: what its customer has ordered lately."""

    __tablename__ = "velocity"

    order_ref: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    amount_minor: Mapped[int]
    counted_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class Stock(Table):
    __tablename__ = "stock"

    sku: Mapped[str] = mapped_column(primary_key=True)
    on_hand: Mapped[int]
    low: Mapped[bool] = mapped_column(default=False)


class Payment(Table):
    __tablename__ = "payment"

    order_ref: Mapped[str] = mapped_column(ForeignKey("legacy.orders.order_ref"), primary_key=True)
    charge_id: Mapped[str]
    amount_minor: Mapped[int]


class Notification(Table):
    __tablename__ = "notification"

    order_ref: Mapped[str] = mapped_column(primary_key=True)
    template: Mapped[str] = mapped_column(primary_key=True)
    subject_ref: Mapped[str] = mapped_column(primary_key=True)


class SearchDocument(Table):
    __tablename__ = "search_document"

    order_ref: Mapped[str] = mapped_column(primary_key=True)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Basket(Table):
    __tablename__ = "basket"

    order_ref: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str | None]
    skus: Mapped[list[str]] = mapped_column(JSONB)


class Affinity(Table):
    """How many orders hold both SKUs among their dearest."""

    __tablename__ = "affinity"

    sku_a: Mapped[str] = mapped_column(primary_key=True)
    sku_b: Mapped[str] = mapped_column(primary_key=True)
    orders: Mapped[int]


def make_engine(dsn: str) -> Engine:
    """A small pool per worker; it connects on first use, so never before the fork."""
    # libpq reads the address: SQLAlchemy takes a database's name as it stands, with its %22.
    return create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), pool_size=2, max_overflow=0, pool_pre_ping=True
    )
