"""A plan with one read that another application takes over."""

from strangler import Plan, ReadRoute, Route, Step, Subject

plan = Plan(
    name="reads",
    subject=Subject("order", table="public.orders", caller="anonymous"),
    steps=(Step("payment"),),
    routes=(Route("POST /orders", creates="order"),),
    reads=(ReadRoute("page", "GET /x", "PAGES_URL", sticky="cookie:session"),),
)
