"""ihatemoney: a project is created, and a mail tells its maker how to share it."""

from strangler import Plan, Process, Route, Subject

plan = Plan(
    name="ihatemoney",
    subject=Subject("project", table="public.project", caller="anonymous"),
    steps=["mailer:mail"],
    routes=[
        Route("POST /api/projects", creates="project"),
        Route("POST /create", creates="project"),
    ],
    processes=[
        Process("legacy", ("flask", "--app", "ihatemoney.wsgi", "run"), url="LEGACY_URL", port="FLASK_RUN_PORT"),
    ],
)
