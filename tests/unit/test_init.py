"""`strangler init` and `strangler seam suggest`: what is seen of an application by its source alone."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from strangler.adopting.names import is_mail, is_outgoing
from strangler.cli import main
from tests.support.hall import FILES, build

MIDDLE = """
from flask import Flask, jsonify, request
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
import requests, os

Session = sessionmaker()
app = Flask(__name__)


class Base(DeclarativeBase): ...


class Order(Base):
    __tablename__ = "shop.orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    cents: Mapped[int]
    charge_id: Mapped[str | None]


def charge(order):
    answer = requests.post(os.environ["BANK_URL"] + "/charges", json={"cents": order.cents}, timeout=5)
    return answer.json()["id"]


@app.post("/orders")
def place():
    with Session.begin() as session:
        order = Order(cents=request.json["cents"])
        session.add(order)
        session.flush()
        order.charge_id = charge(order)
        return jsonify(id=order.id), 201


if __name__ == "__main__":
    app.run()
"""


def strangler(folder: Path, *argv: str, ends: int = 0) -> tuple[Any, str]:
    """A verb in the folder: its data, and what it said."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        ended = main([*argv, "--json"])
    assert ended == ends, out.getvalue() + err.getvalue()
    return json.loads(out.getvalue()) if out.getvalue() else None, err.getvalue()


def snapshot(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_is_seen_has_its_place_and_its_side_of_the_commit(tmp_path: Path) -> None:
    seen, _ = strangler(build(tmp_path), "init", "--dry-run")
    assert seen["flask"] == {"app": "src/hall:create_app", "at": "src/hall/__init__.py:9"}
    assert seen["database"]["variable"] == "HALL_DATABASE_URL"
    assert (seen["database"]["scheme"], seen["database"]["driver"]) == ("postgresql+psycopg", "psycopg")
    buy, give_back = seen["routes"]
    assert (buy["path"], [(one["kind"], one["what"], one["after_commit"]) for one in buy["does"]]) == (
        "/api/tickets",
        [("writes", "Ticket", False), ("commits", "commit", False), ("calls", "requests.post", True)],
    )
    assert [one["kind"] for one in give_back["does"]] == ["deletes", "commits"]
    assert (seen["subject"], seen["step"], seen["not_understood"]) == ("ticket", "send_ticket", [])
    assert not (tmp_path / "plan.py").exists()
    assert not any(name.startswith("hall") for name in sys.modules)


def test_it_writes_a_page_each_that_stands_on_its_own_and_never_over_another(tmp_path: Path) -> None:
    theirs = {**FILES, "compose.yaml": "services: {}\n", "service.py": "# theirs\n", "plan.py": "# theirs\n"}
    written, _ = strangler(build(tmp_path, theirs), "init")
    assert written["written"] == [
        ".github/workflows/strangler.yml",
        "compose.strangler.yaml",
        "new_side.py",
        "strangler_plan.py",
    ]
    for name in written["written"]:
        text = (tmp_path / name).read_text()
        assert text.count("\n") <= 60
        assert "init" in text.splitlines()[0]
    plan = (tmp_path / "strangler_plan.py").read_text()
    for part in (
        '"new_side:send_ticket"',
        'Route("POST /api/tickets", creates="ticket")',
        '# Route("DELETE /api/tickets/{id}")',
    ):
        assert part in plan
    assert "ticket['guest']" in (tmp_path / "new_side.py").read_text()
    before = snapshot(tmp_path)
    _, said = strangler(tmp_path, "init", ends=1)
    assert "are there already; --force" in said
    assert snapshot(tmp_path) == before
    (tmp_path / "new_side.py").write_text("# Begun by `strangler init`, and worked on\n")
    strangler(tmp_path, "init", "--force")
    assert snapshot(tmp_path) == before


def test_what_it_wrote_passes_its_own_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    strangler(build(tmp_path), "init")
    try:
        checked, _ = strangler(tmp_path, "check")
    finally:
        for name in ("service", "strangler_loaded_plan"):
            sys.modules.pop(name, None)
    assert checked["findings"] == []
    assert "no seam yet" in str(checked["not_looked"])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"app.py": "import django\n"}, r"no Flask(...) was seen in 1 Python file(s); django (app.py:1) is there"),
        ({}, "no Flask(...) was seen in 0 Python file(s)"),
        ({"app.py": "from flask import Flask\napp = Flask(__name__)\n"}, "no route was seen that makes a row"),
    ],
)
def test_where_there_is_nothing_to_begin_with_it_says_so(tmp_path: Path, files: dict[str, str], words: str) -> None:
    _, said = strangler(build(tmp_path, files), "init", ends=1)
    assert words in said
    assert not (tmp_path / "plan.py").exists()


def test_what_it_does_not_understand_is_named_with_its_line(tmp_path: Path) -> None:
    odd = {
        **FILES,
        "src/hall/broken.py": "def (:\n",
        "src/hall/odd.py": "DSN = 'mysql://h/d'\nimport requests\nrequests.post('http://x')\n",
        "src/hall/bytes.py": "x = 1\0\n",
        "src/hall/work.py": "def later(ticket, letter):\n    letter.delay(ticket.id)\n",
        "src/hall/views.py": "def more(app, path, view):\n    app.add_url_rule(path, view_func=view)\n",
    }
    seen, _ = strangler(build(tmp_path, odd), "init", "--dry-run")
    said = {one["at"]: one["why"] for one in seen["not_understood"]}
    assert "SyntaxError" in said["src/hall/broken.py:1"]
    assert "not read" in said["src/hall/bytes.py:1"]
    assert "a mysql address: the toolkit works on PostgreSQL only" in said["src/hall/odd.py:1"]
    assert "outside of any function" in said["src/hall/odd.py:3"]
    assert "add_url_rule" in said["src/hall/views.py:2"]


def test_usage_ends_with_2(tmp_path: Path) -> None:
    build(tmp_path)
    for argv, words in (
        (["init", "nowhere"], "nowhere is no folder"),
        (["seam", "suggest", "gone.py"], "gone.py is no file"),
        (["seam", "suggest", "src/hall/tickets/letters.py:1"], "is in no function"),
        (["seam", "suggest", "src/hall/extensions.py"], "0 functions that could be steps"),
    ):
        assert words in strangler(tmp_path, *argv, ends=2)[1]


def test_the_tails_patch_applies_and_what_it_makes_can_be_read(tmp_path: Path) -> None:
    found, _ = strangler(build(tmp_path), "seam", "suggest", "src/hall/tickets/letters.py")
    assert (found["kind"], found["function"]) == ("tail", "send_ticket")
    assert 'ALTER TABLE "tickets" ADD subject_ref' in found["by_hand"][0]
    patched(tmp_path, found["patch"])
    letters = (tmp_path / "src/hall/tickets/letters.py").read_text()
    assert 'def send_ticket(ticket, key=""):' in letters
    assert 'headers={"Idempotency-Key": key}, json=' in letters
    assert "class Ticket(strangled.Mixin, db.Model):" in (tmp_path / "src/hall/tickets/models.py").read_text()
    views = (tmp_path / "src/hall/tickets/views.py").read_text()
    assert views.index("strangled.created(ticket") < views.index("save(ticket)")
    assert "from hall.extensions import db" not in (tmp_path / "src/hall/__init__.py").read_text()


def test_the_middles_patch_says_what_it_leaves_to_a_person(tmp_path: Path) -> None:
    found, _ = strangler(build(tmp_path, {"shop.py": MIDDLE}), "seam", "suggest", "shop.py")
    assert found["kind"] == "middle"
    patched(tmp_path, found["patch"])
    text = (tmp_path / "shop.py").read_text()
    for part in (
        '@strangled.awaited("payment", tells=("PaymentDone", "PaymentRefused"), observe=charge_asked)',
        '@strangled.after("payment")',
        '@strangled.refused("payment", status=402)',
        "class Order(strangled.Mixin, Base):",
        "strangled.init_app(app, Session, Order)",
    ):
        assert part in text
    assert text.index("strangled.created(order") > text.index("session.add(order)")
    assert text.index("strangled.init_app") < text.index("__main__")
    assert any("strangled.run(order, charge" in one for one in found["by_hand"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("send_ticket(ticket.guest)", "takes ticket, and no Ticket: a step's subject is a parameter of it"),
        ("print(ticket)", "no route was seen that calls send_ticket"),
    ],
)
def test_where_there_is_no_patch_it_says_why(tmp_path: Path, call: str, words: str) -> None:
    files = {
        **FILES,
        "src/hall/tickets/views.py": FILES["src/hall/tickets/views.py"].replace("send_ticket(ticket)", call),
    }
    _, said = strangler(build(tmp_path, files), "seam", "suggest", "src/hall/tickets/letters.py:8", ends=1)
    assert words in said


def patched(folder: Path, patch: str) -> None:
    """Applied as a person does; every file still parses."""
    ended = subprocess.run(
        ["patch", "-p1"], input=patch, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr + patch
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text(), str(path))


@pytest.mark.parametrize(
    ("name", "leaves"),
    [
        ("flask.current_app.mail.send", True),
        ("shop.app.mailer.send_message", True),
        ("flask_mail.Mail.send", True),
        ("flask_mail.Mail", False),
        ("shop.mail.sent", False),
        ("generator.send", False),
    ],
)
def test_a_mail_leaves_the_process_by_whatever_holds_its_sender(name: str, leaves: bool) -> None:
    assert (is_outgoing(name), is_outgoing(name) and is_mail(name)) == (leaves, leaves)
