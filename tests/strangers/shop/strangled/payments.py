import json

from strangler import Call, HttpVendor, Outcome, Policy, Service
from strangler.service import Ending


def decide(event):
    order = json.loads(event.payload)
    asked = {"email": order["email"], "cents": order["cents"]}
    return [Call("bank", "charge", asked, carry={"order": order})]


def conclude(effect, ending, answer):
    order = effect.carry["order"]
    if ending is Ending.DONE:
        return [Outcome("PaymentTaken", order, {"charge_id": answer["charge_id"]})]
    return [Outcome("PaymentRefused", order, {"reason": answer.get("reason", "declined")})]


payment = Service(
    "payment",
    on=("OrderMade",),
    shadow_on=("PaymentTaken",),  # legacy's own outcome, told by its seam
    topics=("order", "payment"),
    decide=decide,
    conclude=conclude,
    awaited=True,
    policy=Policy.lossless(deadline_s=120, guard="the bank's idempotency key"),
    vendors={
        "bank": HttpVendor(
            "OUTSIDE_URL",
            send="POST /charges",
            look_up="GET /charges?key={key}",
            ledger="GET /charges",
            keeps={"charge_id": str},
        )
    },
)
