from strangler import Derived, Plan, Process, Route, Subject

plan = Plan(
    name="desk",
    subject=Subject("booking", table="public.bookings", caller="cookie:session"),
    steps=["mailer:mail"],
    routes=[
        Route("POST /checkout", creates="booking", key=Derived("email", "desk", "day", within_s=60)),
        Route("PATCH /bookings/{id}"),
        Route("POST /bookings/{id}/cancel"),
    ],
    processes=[
        Process("outside", "outside", url="OUTSIDE_URL"),
        Process("legacy", "desk", url="LEGACY_URL"),
    ],
)
