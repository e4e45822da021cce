"""The first files of a strangled application, each at most a page, and running as written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from strangler.adopting.effects import of_event
from strangler.adopting.shape import Shape, creating_target
from strangler.source_files import read_source

MARK = "Begun by `strangler init`"
PLAN, SERVICE, WORKFLOW, COMPOSE = "plan.py", "service.py", ".github/workflows/strangler.yml", "compose.yaml"
COMPOSES = (
    COMPOSE,
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
)  # which `docker compose` takes by itself
INSTEAD = {PLAN: "strangler_plan.py", SERVICE: "new_side.py", COMPOSE: "compose.strangler.yaml"}


def chosen_names(folder: Path) -> dict[str, str]:
    """By what a file is, its path: another one where the application has its own file of that name."""
    names = {PLAN: PLAN, SERVICE: SERVICE, WORKFLOW: WORKFLOW, COMPOSE: COMPOSE}
    for name, instead in INSTEAD.items():
        alike = COMPOSES if name == COMPOSE else (name,)
        taken = any(os.path.lexists(folder / one) and not is_ours(folder / one) for one in alike)
        package = name.endswith(".py") and (folder / name.removesuffix(".py")).is_dir()
        if taken or package:
            names[name] = instead
    return names


def is_ours(path: Path) -> bool:
    """Whether `init` has written it."""
    try:
        return MARK in read_source(path)[:500].decode(errors="replace")
    except OSError:
        return False


def contents(shape: Shape, names: dict[str, str], where: str) -> dict[str, str]:
    """By path. `where` the step is, for the comments."""
    service = Path(names[SERVICE]).stem
    return {
        names[PLAN]: plan_text(shape, service, where),
        names[SERVICE]: service_text(shape, where),
        names[WORKFLOW]: workflow_text(names[PLAN]),
        names[COMPOSE]: compose_text(names[COMPOSE], names[PLAN]),
    }


def plan_text(shape: Shape, service: str, where: str) -> str:
    """The plan."""
    return "\n".join(_plan(shape, service, where)) + "\n"


def _plan(shape: Shape, service: str, where: str) -> Iterator[str]:
    table = shape.chosen.model.table if shape.chosen is not None else "subjects"
    table = table if "." in table else f"public.{table}"
    step = shape.effect.step if shape.effect is not None else "effect"
    yield f'"""{MARK}: what the toolkit must know. `strangler check` says what is wrong with it."""'
    yield ""
    yield "from strangler import Plan, Process, Route, Subject"
    yield ""
    yield "plan = Plan("
    yield f'    name="{shape.subject}s",'
    yield f"    # What the chain makes. Its table gets three columns with the seams: `strangler seam suggest {where}`"
    yield f'    subject=Subject("{shape.subject}", table="{table}", caller="{shape.caller}"),'
    yield f"    # The chain's steps in their order; {step} is at {where}. A bare name is a step that stays legacy."
    yield f'    steps=("{service}:{step}",),'
    yield "    # The requests that make a subject, or change it: the facade owns these, all others pass untouched."
    yield "    routes=("
    yield f'        Route("{creating_target(shape)}", creates="{shape.subject}"),'
    for target, place in shape.changing[:8]:
        yield f'        # Route("{target}"),  # {place}: with strangled.changed() before its commit'
    yield "    ),"
    yield from _process(shape)
    if shape.tables:
        yield f"    # {shape.migrations[0]}, at {shape.migrations[1]}: after the toolkit's tables, by `python -m`"
        yield f"    own_tables={_tuple(shape.tables)},"
    else:
        name, at = shape.migrations
        seen = f"{name} is at {at}" if name else "no migrations were seen"
        yield f"    # own_tables=(...),  # what makes your tables, after `python -m`; {seen}"
    yield ")"


def _process(shape: Shape) -> Iterator[str]:
    reference = shape.app.reference if shape.app is not None else "app"
    yield "    # What `strangler up` starts beside the services, on this machine."
    yield "    processes=("
    yield "        Process("
    yield '            "legacy",'
    yield f'            ("flask", "--app", "{reference}", "run"),'
    yield '            url="LEGACY_URL",'
    yield '            port="FLASK_RUN_PORT",'
    if shape.health:
        yield f'            ready_path="{shape.health}",'
    if shape.database:
        yield f'            database="{shape.database}",'
        yield f'            scheme="{shape.scheme}",'
    else:
        yield '            # database="DATABASE_URL",  # the variable that it reads its address from: none was seen'
    yield "        ),"
    yield "    ),"


def _tuple(values: Sequence[str]) -> str:
    return "(" + ", ".join(f'"{one}"' for one in values) + ("," if len(values) == 1 else "") + ")"


def service_text(shape: Shape, where: str) -> str:
    """The new side."""
    return "\n".join(_service(shape, where)) + "\n"


def _service(shape: Shape, where: str) -> Iterator[str]:
    effect, variable = shape.effect, shape.variable
    step = effect.step if effect is not None else "effect"
    smtp = effect is not None and effect.smtp
    library = effect.library if effect is not None else ""
    kind = "SmtpVendor" if smtp else "FunctionVendor" if library else "HttpVendor"
    variable_of_url = effect.url_env if effect is not None else "VENDOR_URL"
    address = effect.address if effect is not None else "http://127.0.0.1:9"
    yield f'"""{MARK}: the new side of {step}, which legacy does at {where}."""'
    yield ""
    yield from () if library else ("import os", "")
    yield f"from strangler import Call, Event, {kind}, Policy, Service"
    yield ""
    if library:
        yield from _ask(library)
    else:
        yield "# Until you set it: the new side asks nobody before `strangler advance` has left shadow."
        yield f'os.environ.setdefault("{variable_of_url}", "{address}")'
    yield ""
    yield ""
    yield "def decide(event: Event) -> list[Call]:"
    yield '    """Pure: from the event alone, what to ask of the vendor; what it does not know must raise."""'
    yield f'    if event.type != "{shape.event}":'
    yield '        raise ValueError(f"unknown event {event.type}")'
    yield f"    {variable} = event.json()"
    yield "    body = {"
    yield from _body(shape)
    yield "    }"
    yield f'    return [Call("{step}", "send", body)]'
    yield ""
    yield ""
    yield f"{step} = Service("
    yield f'    "{step}",'
    yield f'    on=("{shape.event}",),'
    yield "    decide=decide,"
    yield "    # Nothing may be lost, and it may wait an hour; `strangler policy explain` has the other terms."
    guard = "each mail is handed over at most once" if smtp else "each call is sent at most once"
    yield f'    policy=Policy.lossless(deadline_s=3600, guard="{guard}"),'
    yield from _vendor(shape, step)
    yield ")"


def _ask(library: str) -> Iterator[str]:
    yield ""
    yield "def ask(key, operation, body):"
    yield '    """Until you write it: the new side asks nobody before `strangler advance` has left shadow."""'
    yield f'    raise NotImplementedError("{library}, with the key where it takes one")'


def _vendor(shape: Shape, step: str) -> Iterator[str]:
    effect = shape.effect
    if effect is not None and effect.library:
        yield "    # Is a key known again, there or by who reads it? Then say key_lifetime_s=: it may be asked again."
        yield f'    vendors={{"{step}": FunctionVendor(ask)}},'
        return
    if effect is not None and effect.smtp:
        fields = ", ".join(f'"{name}": "{name}"' for name in ("to", "subject", "text") if name in effect.body)
        message = f", message={{{fields}}}" if fields else ""
        sender = f"{shape.subject}s@example.com"
        yield f'    vendors={{"{step}": SmtpVendor("{effect.url_env}", sender="{sender}"{message})}},'
        return
    target = f"{effect.method} {effect.path}" if effect is not None else "POST /"
    url = effect.url_env if effect is not None else "VENDOR_URL"
    yield "    # Does it know an Idempotency-Key, and can it be asked for one? Then say look_up= and ledger=, and leave"
    yield "    # key_lifetime_s out: it may be asked again, and its ledger is the judge's witness."
    yield f'    vendors={{"{step}": HttpVendor("{url}", send="{target}", key_lifetime_s=0)}},'


def _body(shape: Shape) -> Iterator[str]:
    """Each field from the event; what cannot be said so is asked of the event by the field's own name."""
    model = shape.chosen.model if shape.chosen is not None else None
    columns = [name for name, _ in model.columns] if model is not None else []
    effect = shape.effect
    holder = effect.link.subject if effect is not None else ""
    fields = dict(list(effect.body.items())[:15]) if effect is not None else {}
    for name, source in fields.items():
        said = of_event(source, holder, columns, shape.variable) if holder else ""
        if said and len(said) < 90:
            yield f'        "{name}": {said},'
        else:
            shown = source if len(source) < 50 else source[:47] + "..."
            plain = " ".join(shown.split()).encode("ascii", "replace").decode()
            yield f'        "{name}": {shape.variable}.get("{name}"),  # legacy: {plain}'
    if not fields:
        kept = next((name for name in ("id", *columns) if name in columns), "id")
        yield f'        "{kept}": {shape.variable}.get("{kept}"),  # what the vendor needs: none was seen'


def workflow_text(plan: str) -> str:
    """A check of the plan at every push."""
    return f"""# {MARK}: the plan, its services and its seams are held against each other at every push.
name: strangler
on: [push, pull_request]
permissions:
  contents: read
jobs:
  check:
    runs-on: ubuntu-latest
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - name: Install the application
        run: |
          if [ -f requirements.txt ]; then pip install -r requirements.txt; fi
          if [ -f pyproject.toml ] || [ -f setup.py ]; then pip install -e .; fi
      - run: pip install 'strangler-toolkit[run]'
      - run: strangler check --plan {plan}
"""


def compose_text(name: str, plan: str) -> str:
    """The two servers."""
    command = "docker compose up -d --wait" if name == COMPOSE else f"docker compose -f {name} up -d --wait"
    return f"""# {MARK}: PostgreSQL and Kafka on loopback, as the toolkit needs them.
#   {command}
#   export STRANGLER_DSN=postgresql://postgres:postgres@127.0.0.1:5432/postgres
#   strangler up --plan {plan} --kafka 127.0.0.1:9092
# Without it, `strangler up` starts servers of its own.
services:
  postgres:
    image: postgres:17
    command: ["postgres", "-c", "wal_level=logical"] # the relay reads the WAL
    environment:
      POSTGRES_PASSWORD: postgres
    ports: ["127.0.0.1:5432:5432"]
    volumes: ["strangler-postgres:/var/lib/postgresql/data"]
    healthcheck:
      test: ["CMD", "pg_isready", "-U", "postgres"]
      interval: 2s
      retries: 30
  kafka:
    image: apache/kafka:3.9.1
    ports: ["127.0.0.1:9092:9092"]
    volumes: ["strangler-kafka:/var/lib/kafka/data"]
    healthcheck:
      test: ["CMD", "/opt/kafka/bin/kafka-broker-api-versions.sh", "--bootstrap-server", "localhost:9092"]
      interval: 5s
      retries: 30
volumes:
  strangler-postgres:
  strangler-kafka:
"""
