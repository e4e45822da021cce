"""`strangler check`: a plan without a database, all that is wrong at once, each with a heading that holds its fix."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from strangler.checking.made_up import MadeUp, NotTried
from strangler.checking.pages import DEFAULT, page_of
from strangler.checking.recorded import read_recorded
from strangler.cli import main
from strangler.errors import BadInput

ROOT = Path(__file__).resolve().parents[2]
MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from strangler import Call
from strangler.sqlalchemy import Strangled

strangled = Strangled("{subject}", headers=dict)


class Base(DeclarativeBase): ...


class Order({mixin}Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    cents: Mapped[int]


@strangled.step("mail", on=({on}), observe=lambda order, sent: [{observe}])
def send(order, key=""):
    raise AssertionError("a check calls no step")
"""
SERVICE = """
from strangler import Call, HttpVendor, Policy, Service


def decide(event):
    order = event.json()
    return [Call("{vendor}", "send", {{"to": order["email"], "cents": order["cents"] + 1, "note": order["note"]}})]


mail = Service(
    "mail",
    on=("OrderMade",),
    decide=decide,
    policy=Policy.lossless(deadline_s=60, guard="its key"),
    vendors={{"post": HttpVendor("MAIL_URL", send="POST /messages")}},
)
"""
PLAN = """
from strangler import Plan, Route, Subject

plan = Plan(
    name="shop",
    subject=Subject("order", table="public.orders", caller="anonymous"),
    steps=("mailing:mail",),
    routes=(Route("POST /orders", creates="order"),),
)
"""
GOOD = 'Call("post", "send", {"to": order.email, "cents": order.cents + 1, "note": sent.note})'


def shop(folder: Path, *, vendor: str = "post", plan: str = PLAN, **model: str) -> Path:
    said = {"subject": "order", "mixin": "strangled.Mixin, ", "on": '"OrderMade",', "observe": GOOD, **model}
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").touch()
    (folder / "shop" / "models.py").write_text(MODELS.format(**said))
    (folder / "mailing.py").write_text(SERVICE.format(vendor=vendor))
    (folder / "plan.py").write_text(plan)
    return folder


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a check imports is gone again after the test."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("STRANGLER_PLAN", "STRANGLER_DSN", "MAIL_URL"):
        monkeypatch.delenv(name, raising=False)
    yield
    forget(tmp_path)


def forget(folder: Path) -> None:
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
    importlib.invalidate_caches()


def check(folder: Path, *argv: str, stdin: str = "", ends: int = 0) -> Any:
    """With what it printed, as data; what it said where that is none."""
    forget(folder)
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setattr(sys, "stdin", io.StringIO(stdin))
        ended = main(["check", "--json", *argv])
    assert ended == ends, out.getvalue() + err.getvalue()
    return json.loads(out.getvalue()) if out.getvalue() else err.getvalue()


def problems(data: Any) -> str:
    return "\n".join(finding["problem"] for finding in data["findings"])


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in titles}


def assert_pages(pages: Sequence[str]) -> None:
    for page in pages:
        path, _, heading = page.partition("#")
        assert heading in headings(ROOT / path), page


def test_sides_that_agree_are_held_against_each_other_without_a_database(tmp_path: Path) -> None:
    data = check(shop(tmp_path))
    assert data["findings"] == []
    assert [(one["step"], one["type"], one["source"]) for one in data["held"]] == [("mail", "OrderMade", "made up")]
    assert [one["about"] for one in data["not_looked"]] == ["mail's vendors"]  # MAIL_URL is not set here


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"observe": GOOD.replace("cents + 1", "cents")}, r"differ on a made up OrderMade in cents \(int observed"),
        ({"observe": GOOD.replace('"to"', '"email"')}, r"in email \(str observed, none decided\), to \(none observed"),
        ({"observe": GOOD.replace('"post"', '"mail"')}, "observe says call mail.send, decide call post.send"),
        ({"vendor": "smtp"}, "calls 'smtp', which is no vendor of its service; its vendors: post"),
        ({"on": '"OrderMade", "OrderMoved",'}, "follows 'OrderMoved', on which its service does nothing"),
        ({"on": '"OrderMoved",'}, "no seam of 'mail' has 'OrderMade' in `on`"),
        ({"subject": "booking"}, "Strangled of 'booking', and the plan's subject is 'order'"),
        ({"mixin": ""}, "has no column 'subject_ref' in model Order"),
    ],
)
def test_sides_that_differ_are_findings_with_a_page(tmp_path: Path, said: dict[str, str], words: str) -> None:
    data = check(shop(tmp_path, **said), ends=1)
    assert re.search(words, problems(data))
    assert_pages([finding["page"] for finding in data["findings"]])


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    plan = PLAN.replace("POST /orders", "post orders").replace('"mailing:mail"', '"Mail", "mailing:mail", "gone:pay"')
    folder = shop(tmp_path, plan=plan.replace('"order", table', '"Order", table'))
    text = (folder / "mailing.py").read_text().replace('("OrderMade",)', '("OrderMade", " ")')
    (folder / "mailing.py").write_text(text.replace("decide=decide,", "decide=decide, start='soon', topics=(),"))
    data = check(folder, ends=1)
    for words in (
        "upper-case token",
        "does not begin with '/'",
        "creates 'order', and the plan's subject is 'Order'",
        "step 'Mail' cannot travel",
        "subject 'Order' cannot stand in headers",
        "service 'gone:pay' does not load",
        "reads no topic",
        "a blank name in `on`",
        "'mail' cannot begin",
    ):
        assert words in problems(data)
    assert "policies together" in [one["about"] for one in data["not_looked"]]
    assert_pages([finding["page"] for finding in data["findings"]])


def test_a_recorded_event_is_held_and_one_that_would_park_is_found(tmp_path: Path) -> None:
    folder = shop(tmp_path)
    told = {"type": "OrderMade", "payload": {"email": "a@example.invalid", "cents": 5, "note": "n"}}
    data = check(folder, "--event", "-", stdin=json.dumps(told))
    assert [one["source"] for one in data["held"]] == ["recorded"]
    (folder / "told.json").write_text("\n".join(map(json.dumps, (told | {"result": {"note": "another"}}, told))))
    assert "differ on a recorded OrderMade in note" in problems(check(folder, "--event", "told.json", ends=1))
    broken = json.dumps([{"type": "OrderMade", "payload": {}}, {"type": "OrderLost", "payload": {}}])
    said = problems(check(folder, "--event", "-", stdin=broken, ends=1))
    assert "raises on a recorded OrderMade: KeyError: 'email'" in said
    assert "type 'OrderLost', on which no service acts" in said


def test_what_it_could_not_look_at_is_named(tmp_path: Path) -> None:
    folder = shop(tmp_path)
    (folder / "shop" / "models.py").unlink()
    assert "no seam yet" in str(check(folder)["not_looked"])
    (folder / "shop" / "models.py").write_text("import os\nos.environ['NOWHERE']  # Strangled\n")
    assert "module shop.models does not load here: KeyError: 'NOWHERE'" in str(check(folder)["not_looked"])
    odd = SERVICE.format(vendor="post").replace('order["note"]', 'order["note"].lower() + odd(order)')
    (folder / "mailing.py").write_text(odd + "\n\ndef odd(order):\n    raise ValueError('odd')\n")
    assert "decide takes no made-up OrderMade, it says ValueError: odd" in str(check(folder)["not_looked"])


@pytest.mark.parametrize("text", ["", "[]", "{", '{"type": 1, "payload": {}}', '"x"', '{"type": "A"}', "{}\n{", "[[[["])
def test_what_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r'write \{"type"'):
        read_recorded(text, "told.json")


def test_usage_ends_with_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"\xff\xfe")
    for argv in (["--plan", "none.py"], ["--event", "none.json"], ["--event", "odd"], ["--event", "."]):
        said = check(tmp_path, *argv, ends=2)
        assert said.startswith("strangler: ")
        assert "Traceback" not in said
    assert "known steps: mail" in check(shop(tmp_path), "--step", "male", ends=2)


def test_an_installed_command_finds_what_lies_in_the_working_folder(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("strangler")
    ended = subprocess.run(
        [str(command), "check"], cwd=shop(tmp_path), capture_output=True, text=True, timeout=90, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "ok       mail on a made up OrderMade: observe and decide both say post.send" in ended.stdout


def test_a_plan_that_raises_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "plan.py").write_text("raise ValueError('odd')")
    data = check(tmp_path, ends=1)
    assert "ValueError: odd" in problems(data)
    assert data["findings"][0]["page"] == DEFAULT


def test_a_made_up_event_has_what_decide_asks_for() -> None:
    def decide(event: Any) -> list[Any]:
        order = event.json()
        return [order["total_cents"] / 2, order["lines"][0]["sku"], order["who"]["name"].upper(), order["stamp"] + 1]

    assert MadeUp({}).decided(decide, "order", "OrderMade")
    with pytest.raises(NotTried, match="ZeroDivisionError"):
        MadeUp({}).decided(lambda _: [1 / 0], "order", "OrderMade")  # type: ignore[list-item]  # it raises


def test_every_refusal_of_a_plan_leads_to_a_heading_of_its_own() -> None:
    """Each sentence of the rules, as their source has it, so that none is forgotten."""
    sources = ("plan.py", "routes.py", "subject.py", "waits.py", "keys.py", "service/declaration.py")
    said: list[str] = []
    for source in sources:
        text = (ROOT / "strangler" / source).read_text()
        found = re.findall(r"yield \(?\s*(?:\(?f?\"(.*?)\"$|f?'(.*?)'$)", text, re.MULTILINE)
        begins = {"routes.py": "route 'x' ", "keys.py": "route 'x' ", "service/declaration.py": "service 'x' "}
        for one in filter(None, (first or second for first, second in found)):
            whole = one if re.match(r"route|subject|step|service|projection|topics|no route|the subject", one) else ""
            said.append(whole or begins.get(source, "") + one)
    assert len(said) > 30
    pages = {one: page_of(one) for one in said}
    assert [one for one, page in pages.items() if page == DEFAULT] == []
    assert_pages([*pages.values(), DEFAULT])
