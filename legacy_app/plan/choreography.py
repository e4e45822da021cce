"""How an order of the shop comes to its end, event by event, whoever owns its steps."""

from __future__ import annotations

from legacy_app.plan import choreography_readers as read
from strangler.choreography import Choreography, Event, Final, Promise, Reaction, Readers

CLIENT = ("client",)
RESUME = "resume"  # where legacy's side keeps what it cannot read

choreography = Choreography(
    starts=("OrderReceived", "OrderCancelled"),
    events=(
        Event("OrderReceived", "order", CLIENT),
        Event("FraudCleared", "fraud", ("fraud",)),
        Event("FraudRefused", "fraud", ("fraud",)),
        Event("StockReserved", "inventory", ("inventory",), acts="takes pieces", undone_by="StockReleased"),
        Event("StockRefused", "inventory", ("inventory",)),
        Event("PaymentTaken", "payment", ("payment",), acts="takes money", undone_by="PaymentRefunded"),
        Event("PaymentRefused", "payment", ("payment",)),
        Event("OrderPlaced", "order", ("order",), Final.DONE),
        Event("OrderRejected", "order", ("order",), Final.COMPENSATED),
        Event("StockReleased", "inventory", ("inventory",), Final.COMPENSATED),
        Event("PaymentRefunded", "payment", ("payment",), Final.COMPENSATED),
        Event("OrderCancelled", "order", CLIENT, Final.DONE),
    ),
    reactions=(
        Reaction("OrderReceived", "fraud", ("FraudCleared", "FraudRefused"), 60.0, "fraud"),
        Reaction("FraudCleared", "inventory", ("StockReserved", "StockRefused"), 120.0, "inventory"),
        Reaction("StockReserved", "payment", ("PaymentTaken", "PaymentRefused"), 120.0, "payment"),
        # The rest of the chain, which is legacy's: normally it only places the order.
        Reaction("PaymentTaken", "order", ("OrderPlaced", "OrderRejected"), 60.0, RESUME),
        Reaction("FraudRefused", "order", ("OrderRejected",), 60.0, RESUME),
        Reaction("StockRefused", "order", ("OrderRejected",), 60.0, RESUME),
        Reaction("PaymentRefused", "order", ("OrderRejected",), 60.0, RESUME),
        Reaction("OrderRejected", "inventory", ("StockReleased",), 120.0, "inventory", only_after=("StockReserved",)),
        Reaction("OrderRejected", "payment", ("PaymentRefunded",), 120.0, "payment", only_after=("PaymentTaken",)),
        Reaction("OrderCancelled", "inventory", (), 120.0, "inventory"),
        # Gives back what fraud's late review refuses, and says so; what a customer cancels is the nightly batch's.
        Reaction("OrderCancelled", "payment", (), 120.0, "payment"),
        *(
            Reaction(on, step, (), within_s, step)
            for on in ("OrderPlaced", "OrderCancelled")
            for step, within_s in (("notification", 3600.0), ("search", 300.0), ("recommendation", 86_400.0))
        ),
    ),
    within_s=600.0,
    promises=(
        Promise("payment taken, order missing", "PaymentTaken", ("OrderPlaced", "PaymentRefunded")),
        Promise("stock held for an order that is none", "StockReserved", ("OrderPlaced", "StockReleased")),
    ),
    also_reads={"order": ("fraud", "inventory", "payment")},
    readers=Readers(orders=read.orders, seen=read.seen, parked=read.parked, remarks=read.remarks),
)
