from strangler import Derived, Plan, Process, Route, Step, Subject

plan = Plan(
    name="desk",
    subject=Subject("booking", table="public.bookings", caller="cookie:session"),
    steps=[Step("mailer:mail")],
    routes=[
        Route("POST /checkout", creates="booking", key=Derived("email", "desk", "day", within_s=60)),
        Route("PATCH /bookings/{id}"),
        Route("POST /bookings/{id}/cancel"),
    ],
    processes=[
        Process("outside", ("outside",), port_env="PORT", url_env="OUTSIDE_URL"),
        Process("legacy", ("desk",), port_env="PORT", url_env="LEGACY_URL"),
    ],
)
