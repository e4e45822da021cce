"""The new side of the mail: each project's creation is told to who made it."""

from strangler import Call, Event, Policy, Service, SmtpVendor


def decide(event: Event) -> list[Call]:
    return [Call("mail", "send", event.json())]


mail = Service(
    "mail",
    on=("ProjectCreated",),
    decide=decide,
    policy=Policy.lossless(deadline_s=3600, guard="a mail is handed over at most once"),
    vendors={"mail": SmtpVendor("SMTP_URL", sender="admin@example.com")},
)
