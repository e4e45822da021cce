"""The event contracts as tests use them: read, held against payloads, compared with the version before."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import jsonschema

from strangler.step.intents import Json

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "contracts"
FILE = re.compile(r"([a-z]+)\.([0-9]+)\.json")
WORDS = ("description", "title", "$comment", "examples")  # say nothing that a consumer could rely on
Schema = Mapping[str, Json]


def versions(topic: str, folder: Path = FOLDER) -> list[int]:
    """Of a topic, oldest first."""
    found = (FILE.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(each[2]) for each in found if each and each[1] == topic)


def topics(folder: Path = FOLDER) -> list[str]:
    return sorted({each[1] for path in folder.iterdir() if (each := FILE.fullmatch(path.name))})


def read(topic: str, version: int, folder: Path = FOLDER) -> Schema:
    contract: Schema = json.loads((folder / f"{topic}.{version}.json").read_text())
    return contract


@cache
def newest(topic: str) -> Schema:
    return read(topic, versions(topic)[-1])


def broken_by(topic: str, type_: str, payload: bytes | Mapping[str, Json]) -> list[str]:
    """What is wrong with an event by its topic's newest contract."""
    contract = newest(topic)
    if type_ not in contract["events"]:
        return [f"topic {topic} has no event {type_}"]
    schema = {**contract["events"][type_], "$schema": contract["$schema"], "$defs": contract.get("$defs", {})}
    body = json.loads(payload) if isinstance(payload, bytes) else payload
    errors = jsonschema.Draft202012Validator(schema).iter_errors(body)
    return [f"{type_}{error.json_path.removeprefix('$')}: {error.message}" for error in errors]


def breaks(old: Schema, new: Schema) -> list[str]:
    """What of `new` an old consumer cannot read, or of `old` in the log a new one cannot; empty = compatible."""
    found = [f"event {name} is gone" for name in old["events"] if name not in new["events"]]
    for name, schema in old["events"].items():
        if name in new["events"]:
            found += _breaks(name, whole(schema, old), whole(new["events"][name], new))
    return found


def whole(schema: Schema, contract: Schema) -> Schema:
    """With references followed and `allOf` merged, all the way down; what only describes is left out."""
    merged: dict[str, Json] = {"required": [], "properties": {}}
    local = schema.get("$ref", "").removeprefix("#/$defs/")
    parts = [contract["$defs"][local]] if local else []
    for part in [*parts, *schema.get("allOf", ())]:
        found = whole(part, contract)
        merged |= {name: value for name, value in found.items() if name not in ("required", "properties")}
        merged["required"] = [*merged["required"], *found["required"]]
        merged["properties"] |= found["properties"]
    for name, value in schema.items():
        if name == "required":
            merged["required"] = [*merged["required"], *value]
        elif name == "properties":
            merged["properties"] |= {field: whole(inner, contract) for field, inner in value.items()}
        elif name == "items":
            merged["items"] = whole(value, contract)
        elif name not in (*WORDS, "$ref", "allOf"):
            merged[name] = value
    return merged


def _breaks(where: str, old: Schema, new: Schema) -> Iterator[str]:
    for field, schema in old["properties"].items():
        if field not in new["properties"]:
            yield f"{where}.{field} is gone"
        else:
            yield from _breaks(f"{where}.{field}", schema, new["properties"][field])
    yield from (f"{where}.{field} is required now" for field in sorted(set(new["required"]) - set(old["required"])))
    yield from (f"{where}.{field} is optional now" for field in sorted(set(old["required"]) - set(new["required"])))
    if ("items" in old) != ("items" in new):
        yield f"{where} has other items"
    elif "items" in old:
        yield from _breaks(f"{where}[]", old["items"], new["items"])
    for word in sorted((set(old) | set(new)) - {"required", "properties", "items"}):
        if _plain(old.get(word)) != _plain(new.get(word)):
            yield f"{where} has another {word}: {old.get(word)} -> {new.get(word)}"


def _plain(value: Json) -> Json:
    """Types and values are sets: their order says nothing."""
    return sorted(value, key=str) if isinstance(value, list) else value
