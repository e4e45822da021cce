"""The new side of the mail: what to send is decided from the event, and sent once."""

from strangler import Call, Event, HttpVendor, Policy, Service


def decide(event: Event) -> list[Call]:
    booking = event.json()
    return [Call("mail", "send", {"to": booking["email"], "subject": f"Your desk on {booking['day']}"})]


mail = Service(
    "mail",
    on=("BookingMade",),
    decide=decide,
    policy=Policy.lossless(deadline_s=3600, guard="the mail service's idempotency key"),
    vendors={
        "mail": HttpVendor("MAIL_URL", send="POST /messages", look_up="GET /messages?key={key}", ledger="GET /messages")
    },
)
