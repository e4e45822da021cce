"""The document of owned routes is a valid one, and says what the facade says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from legacy_app.plan.plan import plan as sample
from strangler.cli import main
from strangler.facade.openapi import openapi
from strangler.facade.problem import CAUSES
from strangler.plan import Plan
from tests.support.facade_admission_plan import plan as with_admission
from tests.support.facade_plan import plan as without

SAMPLE = Path("legacy_app/plan/plan.py")


@pytest.mark.parametrize("plan", [sample, with_admission, without], ids=lambda plan: plan.name)
def test_the_document_is_valid_and_has_every_route(plan: Plan) -> None:
    document = json.loads(json.dumps(openapi(plan)))
    validate(document)
    said = {f"{method.upper()} {path}" for path, of in document["paths"].items() for method in of}
    assert said == {route.target.replace(":path}", "}") for route in plan.routes}


def kinds(document: Any, method: str, path: str, status: str) -> set[str]:
    content = document["paths"][path][method]["responses"][status]["content"]["application/problem+json"]
    return {one.rpartition(":")[2] for one in content["schema"]["allOf"][1]["properties"]["type"]["enum"]}


def test_it_names_problems_that_there_are_under_their_status() -> None:
    document = openapi(without)
    assert "key-missing" in kinds(document, "post", "/orders", "400")
    assert "key-missing" not in kinds(document, "post", "/free/orders", "400")
    assert "form-unreadable" in kinds(document, "post", "/free/orders", "400")
    assert kinds(document, "post", "/orders", "409") == {"in-progress", "caller-unknown", "outcome-lost"}
    every = {
        kind
        for path, of in document["paths"].items()
        for method in of
        for status in of[method]["responses"]
        if status.isdigit() and status != "202"
        for kind in kinds(document, method, path, status)
    }
    assert every <= set(CAUSES)


def test_what_is_promised_under_pressure_is_that_of_its_class() -> None:
    assert "429" not in openapi(without)["paths"]["/orders"]["post"]["responses"]
    document = openapi(with_admission)
    for path, of in document["paths"].items():
        for method, operation in of.items():
            said, work = operation["responses"], operation["x-work-class"]
            assert "no-room" in kinds(document, method, path, "503")
            assert {"Retry-After", "Strangler-Rejected"} <= set(said["503"]["headers"])
            assert ("429" in said) == (work["quota_per_s"] is not None)


def test_the_sample_says_when_an_order_is_decided_later() -> None:
    responses = openapi(sample)["paths"]["/orders"]["post"]["responses"]
    assert set(responses["202"]["headers"]) == {"Location", "Retry-After"}
    assert "202" not in openapi(without)["paths"]["/orders"]["post"]["responses"]


def test_the_verb_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", "--plan", str(SAMPLE), "--openapi", str(tmp_path / "routes.json")]) == 0
    written = json.loads((tmp_path / "routes.json").read_text())
    assert f"{len(sample.routes)} routes" in capsys.readouterr().out
    assert main(["topology", "--plan", str(SAMPLE), "--openapi", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == written == json.loads(json.dumps(openapi(sample)))
