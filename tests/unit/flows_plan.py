"""Plans whose contexts have policies, good and bad ones; `plan` is a file's plan that contradicts itself."""

from dataclasses import replace

from outbox.policy import Policy
from strangler.contexts import Context
from strangler.plan import Check, Plan, Step
from tests.support.facade_plan import plan as smallest
from tests.unit.policies import CRITICAL, LOSSY, STANDARD

MAILS, PAYMENT, ADVICE = STANDARD, CRITICAL, LOSSY


def context(
    name: str, policy: Policy | None, *, pool: str | None = None, reads: tuple[str, ...] = ("order",)
) -> Context:
    return Context(schema=name, group=name, topics=reads, policy=policy, pool=pool)


def plan_of(**contexts: Context) -> Plan:
    return replace(
        smallest, name="flows", steps=(Step("pricing"),), projections=contexts, topics={"order": 4, "payment": 2}
    )


def taking_over(name: str, step: Context, **projections: Context) -> Plan:
    """A plan with one step that has a new side."""
    check = Check(identity=lambda _: "", stateful=True, expected=lambda _: (), actual=lambda _: ())
    return replace(plan_of(**projections), steps=(Step("pricing"), Step(name, step, check)))


plan = plan_of(
    payment_flow=context("payment_flow", PAYMENT, pool="shared"),
    mails=context("mails", MAILS, pool="shared"),
    nobody=context("nobody", None),
    advice=context("advice", ADVICE),
)
