import json

from strangler import Call, HttpVendor, Policy, Service

SUBJECTS = {
    "BookingMade": "Your desk {desk} on {day}",
    "BookingMoved": "Booking {id} is now {status}",
    "BookingCancelled": "Booking {id} is now {status}",
}


def decide(event):
    booking = json.loads(event.payload)
    text = f"Booking {booking['id']}: {booking['status']}, {booking['total_cents'] / 100:.2f} EUR"
    subject = SUBJECTS[event.type].format(**booking)
    return [Call("mail", "send", {"to": booking["email"], "subject": subject, "text": text})]


mail = Service(
    "mail",
    on=tuple(SUBJECTS),
    decide=decide,
    policy=Policy.lossless(deadline_s=3600, guard="the mail service's idempotency key"),
    vendors={
        "mail": HttpVendor(
            "OUTSIDE_URL", send="POST /messages", look_up="GET /messages?key={key}", ledger="GET /messages"
        )
    },
)
