"""Anitya: a project is added, and the message bus is told of it."""

from strangler import Plan, Process, Route, Subject

plan = Plan(
    name="anitya",
    subject=Subject("project", table="public.projects", caller="header:Authorization"),
    steps=["bus:announce"],
    routes=[Route("POST /api/v2/projects/", creates="project")],
    processes=[
        Process("legacy", ("flask", "--app", "anitya_wsgi", "run"), url="LEGACY_URL", port="FLASK_RUN_PORT"),
    ],
    own_tables=("flask", "--app", "anitya_wsgi", "db", "sync"),
)
