"""The least that a plan can be: for tests that need the toolkit's tables and no sample."""

from strangler import Plan, Route, Step, Subject

SUBJECT = Subject("booking", table="public.booking", caller="anonymous")
PLAN = Plan(name="bookings", subject=SUBJECT, steps=(Step("mail"),), routes=(Route("POST /b", creates="booking"),))
