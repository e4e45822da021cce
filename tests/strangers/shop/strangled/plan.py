from strangler import Plan, Process, Route, Subject

plan = Plan(
    name="shop",
    subject=Subject(
        "order",
        table="public.shop_orders",
        refused="CASE status WHEN 'refused' THEN 'payment' END",
        undecided="status = 'new'",
        caller="anonymous",
    ),
    steps=["payments:payment"],
    routes=(Route("POST /orders", creates="order"),),
    topics={"order": 2, "payment": 2},
    resumer="shop.app:create_app",
    processes=(
        Process("outside", "outside", url="OUTSIDE_URL"),
        Process("legacy", "shop", url="LEGACY_URL"),
    ),
)
