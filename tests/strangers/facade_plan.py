"""The desk's routes as a plan owns them; nothing of its chain has been taken over."""

from strangler import Derived, Plan, Route, Step, Subject

plan = Plan(
    name="desk",
    subject=Subject("booking", read=lambda _: (), caller="cookie:session"),
    steps=(Step("mail"),),
    routes=(
        Route("POST /checkout", creates="booking", key=Derived("email", "desk", "day", within_s=3600)),
        Route("PATCH /bookings/{id}"),
        Route("POST /bookings/{id}/cancel"),
    ),
)
