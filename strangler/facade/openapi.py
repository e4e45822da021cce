"""What the facade says on owned routes, as an OpenAPI document: statuses, fields, and what took effect. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from strangler.admission.declared import Admission
from strangler.admission.work_class import WorkClass
from strangler.facade import problem
from strangler.facade.idempotency import REPLAYED, RETENTION_S
from strangler.facade.problem import MEDIA_TYPE, REJECTED_HEADER, Problem, RequestEffect
from strangler.facade.work_classes import WorkClasses
from strangler.plan import Plan
from strangler.routes import PLACEHOLDER, Route
from strangler.step.intents import Json

OPENAPI = "3.1.0"
_ALWAYS = (
    *(problem.request_refused("a spelling or an override that could mean another request"), problem.HEAD_TOO_LARGE),
    *(problem.BODY_INCOMPLETE, problem.BODY_SLOW, problem.BODY_TOO_LARGE, problem.NOT_STORABLE),
    *(problem.DATABASE_DOWN, problem.UPSTREAM_DOWN, problem.OUTCOME_UNKNOWN, problem.UPSTREAM_BROKE),
    *(problem.UPSTREAM_SLOW, problem.THREADS_BUSY),
)
_OF_A_KEY = (
    *(problem.KEY_MALFORMED, problem.IN_PROGRESS, problem.CALLER_UNKNOWN, problem.OUTCOME_LOST),
    *(problem.ANSWER_GONE, problem.OTHER_REQUEST, problem.KEY_EXPIRED),
)


def openapi(plan: Plan) -> dict[str, Json]:
    """A document of plain data. Bodies of the application are its own, and are not described."""
    paths: dict[str, dict[str, Json]] = {}
    for route in plan.routes:
        path = PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(plan, route)
    return {
        "openapi": OPENAPI,
        "info": {"title": plan.name, "version": "1.0.0"},
        "paths": paths,
        "components": {"schemas": {"Problem": _problem_schema()}},
    }


def _operation(plan: Plan, route: Route) -> dict[str, Json]:
    responses: dict[str, Json] = {
        str(status): _refusals(found) for status, found in sorted(_by_status(_problems(plan, route)).items())
    }
    if route.creates and any(step.awaited for step in plan.steps):
        responses["202"] = _pending(plan)
    return {
        "operationId": re.sub(r"\W+", "_", route.target).strip("_"),
        "summary": f"makes a {route.creates}" if route.creates else f"changes a {plan.subject.name}",
        "parameters": [*_in_path(route), _key(route)],
        "responses": {**responses, "default": _own_answer(route)},
        **({} if plan.admission is None else {"x-work-class": _work_class(plan.admission, route)}),
    }


def _problems(plan: Plan, route: Route) -> Iterable[Problem]:
    yield from _ALWAYS
    yield from _OF_A_KEY
    if route.key == "required":
        yield problem.KEY_MISSING
    if route.key_field:
        yield problem.FORM_UNREADABLE
    callers = plan.subject.caller if route.caller is None else route.caller
    if callable(callers) or (isinstance(callers, list | tuple) and any(callable(one) for one in callers)):
        yield problem.CALLER_FAILED
    if plan.admission is not None:
        yield problem.NO_ROOM
        if _class_of(plan.admission, route).quota_per_s is not None:
            yield problem.OVER_QUOTA


def _by_status(found: Iterable[Problem]) -> Mapping[int, list[Problem]]:
    by_status: dict[int, list[Problem]] = {}
    for one in found:
        by_status.setdefault(one.status, []).append(one)
    return by_status


def _refusals(found: list[Problem]) -> dict[str, Json]:
    headers: dict[str, Json] = {}
    if any(one.retry_after_s is not None or one in (problem.NO_ROOM, problem.OVER_QUOTA) for one in found):
        headers["Retry-After"] = _header("seconds until it is worth asking again; missing if unknown", "integer")
    if any(one.rejected for one in found):
        headers[REJECTED_HEADER] = _header("the facade refused the work itself: its class, or the subject's name")
    kinds = [f"urn:problem-type:strangler:{one.kind}" for one in found]
    effects = sorted({one.effect.value for one in found})
    narrowed = {"properties": {"type": {"enum": kinds}, "effect": {"enum": effects}}}
    return {
        "description": "\n\n".join(f"`{one.kind}`, effect {one.effect}: {one.detail}" for one in found),
        **({"headers": headers} if headers else {}),
        "content": {MEDIA_TYPE: {"schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]}}},
    }


def _pending(plan: Plan) -> dict[str, Json]:
    return {
        "description": f"the {plan.subject.name} is made and not yet decided; its status, where Location says, is true",
        "headers": {"Location": _header("its status"), "Retry-After": _header("seconds until then", "integer")},
    }


def _own_answer(route: Route) -> dict[str, Json]:
    said = "the application's own answer, as it came; under a key the first one, from then on"
    statuses = [
        f"{name} {', '.join(map(str, found))}"
        for name, found in (("kept also:", route.kept), ("not taken on, the key is free:", route.released))
        if found
    ]
    marked = _header("`?1`: the first answer to this key, again, with nothing done")
    return {"description": "; ".join([said, *statuses]), "headers": {REPLAYED[0]: marked}}


def _in_path(route: Route) -> list[Json]:
    names = [found[1] for found in PLACEHOLDER.finditer(route.path)]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _key(route: Route) -> dict[str, Json]:
    kept = f"carried out once, and answered the same for {RETENTION_S // 3600:g} h"
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": route.key == "required",
        "description": f"new for each request; sent again with the same key and body it is {kept}",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }


def _class_of(admission: Admission, route: Route) -> WorkClass:
    return admission.classes[WorkClasses(admission).rank(route.method, PLACEHOLDER.sub("x", route.path))]


def _work_class(admission: Admission, route: Route) -> dict[str, Json]:
    one = _class_of(admission, route)
    return {
        "name": one.name,
        "rank": admission.rank(one.name),
        "deadline_s": one.deadline_s,
        "floor": one.floor,
        "quota_per_s": one.quota_per_s,
    }


def _header(what: str, kind: str = "string") -> dict[str, Json]:
    return {"description": what, "schema": {"type": kind}}


def _problem_schema() -> dict[str, Json]:
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["type", "title", "status", "detail", "effect"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "effect": {
                "enum": [one.value for one in RequestEffect],
                "description": "what the request has changed: nothing, nobody can tell yet, or all that it asked for",
            },
            "clause": {**text, "description": "what of the plan it is refused by"},
        },
    }
