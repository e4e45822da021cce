"""`strangler init` and `strangler seam suggest` on code as it is found: odd files and lines, seams that are there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strangler.adopting.survey import DEEPEST_NESTING
from tests.support.hall import FILES, build
from tests.unit.test_init import MIDDLE, patched, strangler

VIEWS, LETTERS = "src/hall/tickets/views.py", "src/hall/tickets/letters.py"
RING = """


def ring(ticket):
    requests.post("http://127.0.0.1:9/rings", json={"guest": ticket.guest}, timeout=5)
"""
TWO = {
    **FILES,
    LETTERS: FILES[LETTERS] + RING,
    VIEWS: FILES[VIEWS].replace("    send_ticket(ticket)\n", "    send_ticket(ticket)\n    letters.ring(ticket)\n"),
}


def suggested(folder: Path, place: str) -> str:
    """Applied; returns what it leaves to a person."""
    found, _ = strangler(folder, "seam", "suggest", place)
    patched(folder, found["patch"])
    return "\n".join(found["by_hand"])


def test_files_that_cannot_be_read_or_followed_are_named(tmp_path: Path) -> None:
    folder = build(tmp_path)
    (folder / "gone.py").symlink_to("nowhere.py")
    os.mkfifo(folder / "pipe.py")
    os.mkfifo(folder / "plan.py")
    os.mkfifo(folder / "requirements-dev.txt")
    deep = DEEPEST_NESTING + 20
    (folder / "deep.py").write_text(f"x = {'{1: ' * deep}2{'}' * deep}\n")
    (folder / "long.py").write_text(f"x = {' + '.join(['y'] * 900)}\n")
    (folder / "near.py").write_text(f"def f(t):\n    post({'{1: ' * 90}t{'}' * 90})\n")
    seen, _ = strangler(folder, "init", "--dry-run")
    said = {one["at"]: one["why"] for one in seen["not_understood"]}
    assert "No such file" in said["gone.py:1"]
    for name in ("pipe.py", "plan.py", "requirements-dev.txt"):
        assert "it is no regular file" in said[f"{name}:1"]
    for name in ("deep.py", "long.py"):
        assert f"{DEEPEST_NESTING} is what is followed" in said[f"{name}:1"]
    assert "near.py:1" not in said
    assert "strangler_plan.py" in seen["files"]


def test_calls_without_end_are_followed_to_a_bound_and_the_rest_is_named(tmp_path: Path) -> None:
    chain = "".join(f"def f{at}(x):\n" + f"    f{at + 1}(x)\n" * 12 + "\n\n" for at in range(8))
    views = FILES[VIEWS].replace("    send_ticket(ticket)\n", "    send_ticket(ticket)\n    f0(ticket)\n")
    files = {**FILES, VIEWS: views, "src/hall/many.py": chain + "def f8(x):\n    pass\n"}
    seen, _ = strangler(build(tmp_path, files), "init", "--dry-run")
    (said,) = [one["why"] for one in seen["not_understood"] if "2,000 calls" in one["why"]]
    assert "not followed into f" in said
    assert "src/hall/many.py:" in said
    assert seen["step"] == "send_ticket"


def test_a_strangled_that_is_there_is_used_under_its_own_name(tmp_path: Path) -> None:
    seams = 'from strangler.flask import Strangled\n\nseams = Strangled("booking")\n'
    folder = build(tmp_path, {**FILES, "src/hall/seams.py": seams})
    by_hand = suggested(folder, LETTERS)
    assert "seams (src/hall/seams.py) is the Strangled of 'booking'" in by_hand
    assert not (folder / "src/hall/tickets/strangling.py").exists()
    letters = (folder / LETTERS).read_text()
    assert "from hall.seams import seams\n" in letters
    assert '@seams.step("send_ticket"' in letters
    assert "class Ticket(seams.Mixin, db.Model)" in (folder / "src/hall/tickets/models.py").read_text()
    assert "seams.init_app(app, db, Ticket)" in (folder / "src/hall/__init__.py").read_text()
    assert "seams.created(ticket" in (folder / VIEWS).read_text()


def test_a_second_step_repeats_nothing_of_the_first(tmp_path: Path) -> None:
    folder = build(tmp_path, TWO)
    suggested(folder, f"{LETTERS}:9")
    line = (folder / LETTERS).read_text().splitlines().index("def ring(ticket):") + 1
    suggested(folder, f"{LETTERS}:{line}")
    text = "".join(path.read_text() for path in sorted(folder.rglob("*.py")))
    for once in ("strangled.created(", "strangled.init_app(", "strangled.Mixin", "strangled = Strangled("):
        assert text.count(once) == 1, once
    letters = (folder / LETTERS).read_text()
    assert letters.count("import strangled\n") == letters.count("from strangler import Call\n") == 1
    assert letters.count("@strangled.step(") == 2
    line = letters.splitlines().index('def ring(ticket, key=""):') + 1
    assert "ring" in strangler(folder, "seam", "suggest", f"{LETTERS}:{line}", ends=1)[1]


def test_line_ends_and_encodings_stay_as_they_are(tmp_path: Path) -> None:
    folder = build(tmp_path)
    text = "# coding: latin-1\n# caf\xe9 \x0c page\n" + FILES[LETTERS].lstrip("\n")
    (folder / LETTERS).write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    models = folder / "src/hall/tickets/models.py"
    models.write_bytes(b"\xef\xbb\xbf# \xe2\x80\xa8 na\xc3\xafve\n" + models.read_bytes())
    suggest = [sys.executable, "-m", "strangler", "seam", "suggest", LETTERS]
    patch = subprocess.run(suggest, cwd=folder, capture_output=True, timeout=90, check=True).stdout
    apply = ["git", "apply", "--whitespace=nowarn", "-"]
    ended = subprocess.run(apply, input=patch, cwd=folder, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    letters = (folder / LETTERS).read_bytes()
    assert b"caf\xe9 \x0c page\r\n" in letters
    assert b"@strangled.step(" in letters
    assert letters.count(b"\r\n") == letters.count(b"\n")
    assert models.read_bytes().startswith(b"\xef\xbb\xbf# \xe2\x80\xa8 na\xc3\xafve\n")
    assert b"class Ticket(strangled.Mixin, db.Model)" in models.read_bytes()


def test_what_is_told_stands_where_the_row_is_made(tmp_path: Path) -> None:
    for number, (add, told) in enumerate(
        (
            ("if order:\n            session.add(\n                order\n            )\n\n", " " * 12),
            ("session.add(order)\n\n        # next\n", " " * 8),
        )
    ):
        folder = build(tmp_path / str(number), {"shop.py": MIDDLE.replace("session.add(order)\n", add)})
        suggested(folder, "shop.py")
        lines = (folder / "shop.py").read_text().splitlines()
        at = next(line for line, text in enumerate(lines) if "strangled.created(" in text)
        assert lines[at].startswith(f"{told}strangled.created(")
        assert lines[at - 1].strip() in (")", "session.add(order)")
    one_line = MIDDLE.replace("session.add(order)\n", "session.add(order); session.flush()\n")
    by_hand = suggested(build(tmp_path / "several", {"shop.py": one_line}), "shop.py")
    assert "has several statements; behind what stands there say strangled.created(order" in by_hand


def test_what_is_imported_stands_once_and_before_its_first_use(tmp_path: Path) -> None:
    late = MIDDLE.replace("\n@app.post", "\nfrom strangler import Call, Write\n\n\n@app.post", 1)
    folder = build(tmp_path, {"shop.py": late})
    suggested(folder, "shop.py")
    tree = ast.parse((folder / "shop.py").read_text())
    lines = {ast.unparse(node): node.lineno for node in tree.body}
    (model,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Order"]
    assert lines["from strangling import strangled"] < model.lineno
    assert "from strangler import Call" not in lines  # it is there already, and only calls need it
    assert len([one for one in tree.body if ast.unparse(one) == "from strangling import strangled"]) == 1


def test_a_method_of_the_middle_leaves_its_class_whole(tmp_path: Path) -> None:
    bank = "class Bank:\n    " + MIDDLE.partition("def charge")[2].partition("\n\n\n")[0].replace("\n", "\n    ")
    bank = bank.replace("class Bank:\n    ", "class Bank:\n    def charge").replace("(order)", "(self, order)")
    files = MIDDLE.partition("def charge")[0] + bank + "\n\n    def close(self):\n        pass\n\n\nbank = Bank()\n\n\n"
    files += MIDDLE[MIDDLE.index("@app.post") :].replace("charge(order)", "bank.charge(order)")
    folder = build(tmp_path, {"shop.py": files})
    suggested(folder, "shop.py")
    tree = ast.parse((folder / "shop.py").read_text())
    (owner,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Bank"]
    assert [node.name for node in owner.body if isinstance(node, ast.FunctionDef)][-2:] == ["charge", "close"]
    assert {"payment_done", "payment_refused"} <= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_a_model_of_a_pythons_word_makes_files_that_can_be_read(tmp_path: Path) -> None:
    files = {name: text.replace("Ticket", "Class") for name, text in FILES.items()}
    written, _ = strangler(build(tmp_path, files), "init")
    texts = {name: (tmp_path / name).read_text() for name in written["written"] if name.endswith(".py")}
    assert "plan.py" in texts
    assert all(ast.parse(text, name).body for name, text in texts.items())
    suggested(tmp_path, LETTERS)
    assert ast.parse((tmp_path / LETTERS.partition(":")[0]).read_text()).body


@pytest.mark.parametrize("theirs", ["docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"])
def test_a_compose_file_of_theirs_stays_the_one_that_docker_takes(tmp_path: Path, theirs: str) -> None:
    written, _ = strangler(build(tmp_path, {**FILES, theirs: "services: {}\n"}), "init")
    assert "compose.strangler.yaml" in written["written"]
    assert "compose.yaml" not in written["written"]


def test_routes_that_change_the_subject_are_those_that_speak_of_it(tmp_path: Path) -> None:
    more = """

@bp.post("/guests/<int:id>")
def rename(id):
    guest = db.session.get(Guest, id)
    db.session.commit()
    return "", 204


@bp.post("/seats/<int:id>")
def move(id):
    db.session.get(Ticket, id).seat = "1A"
    db.session.commit()
    return "", 204


@bp.post("/settings/<name>")
def set_one(name):
    db.session.commit()
    return "", 204
"""
    guest = "\n\nclass Guest(db.Model):\n    id = db.Column(db.Integer, primary_key=True)\n"
    models = "src/hall/tickets/models.py"
    files = {**FILES, VIEWS: FILES[VIEWS] + more, models: FILES[models] + guest}
    seen, _ = strangler(build(tmp_path, files), "init", "--dry-run")
    plan = seen["files"]["plan.py"]
    assert '# Route("DELETE /api/tickets/{id}")' in plan
    assert '# Route("POST /api/seats/{id}")' in plan
    assert "/api/guests" not in plan
    assert "/api/settings" not in plan
