"""What the toolkit must know: the business object, the steps with a new side, the requests that create or change it."""

from strangler import Plan, Process, Route, Step, Subject

plan = Plan(
    name="desk",
    subject=Subject("booking", table="public.bookings", caller="header:Authorization"),
    steps=(Step("mailer:mail"),),
    routes=(Route("POST /checkout", creates="booking"),),
    processes=(Process("legacy", ("flask", "--app", "desk", "run"), url="LEGACY_URL", port="FLASK_RUN_PORT"),),
)
