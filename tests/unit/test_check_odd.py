"""`strangler check` on code that nobody would show: it ends, says what it did not look at, and goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from strangler import Process
from strangler.checking import application
from strangler.checking.recorded import read_recorded
from strangler.errors import BadInput
from tests.unit.test_check import GOOD, MODELS, SERVICE, check, forgotten, problems, shop

__all__ = ["forgotten"]  # a fixture


def deciding(folder: Path, answer: str) -> Path:
    """The shop, with a service that answers so."""
    decide = f"def decide(event):\n    {answer}\n\n\nmail = Service("
    head, _, tail = SERVICE.format(vendor="post").partition("def decide")
    (shop(folder) / "mailing.py").write_text(head + decide + tail.partition("mail = Service(")[2])
    return folder


@pytest.mark.parametrize("script", ["raise SystemExit(0)", "import sys\nsys.exit('usage')"])
def test_a_service_whose_module_ends_the_process_is_a_finding(tmp_path: Path, script: str) -> None:
    (shop(tmp_path) / "mailing.py").write_text(script)
    assert "service 'mailing:mail' does not load: SystemExit" in problems(check(tmp_path, ends=1))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("return None", "decide answered a NoneType; answer a list of intents"),
        ("yield Call('post', 'send', {})", "decide answered a generator; answer a list of intents"),
        ("return 'mail'", "decide answered a str"),
        ("return [{'to': 'ann'}]", "decide answered a list with a dict; an intent is a Call, Write or Emit"),
        ("return [Call('post', 'send', None)]", "'NoneType' object is not iterable"),
        ("return [Call('post', 'send', {(1, 2): 3})]", "keys must be str"),
    ],
)
def test_an_answer_that_is_no_list_of_intents_is_a_finding(tmp_path: Path, answer: str, words: str) -> None:
    deciding(tmp_path, answer)
    assert words in problems(check(tmp_path, ends=1))
    told = json.dumps({"type": "OrderMade", "payload": {}})
    assert words in problems(check(tmp_path, "--event", "-", stdin=told, ends=1))


def test_a_decide_that_ends_the_process_is_heard_to_the_end(tmp_path: Path) -> None:
    deciding(tmp_path, "raise SystemExit(3)")
    assert "it says SystemExit: 3" in str(check(tmp_path)["not_looked"])
    told = json.dumps({"type": "OrderMade", "payload": {}})

    said = problems(check(tmp_path, "--event", "-", stdin=told, ends=1))
    assert "raises on a recorded OrderMade: SystemExit: 3" in said


def test_a_mapping_that_does_not_resolve_is_named_and_its_table_read(tmp_path: Path) -> None:
    said = MODELS.replace("import DeclarativeBase, Mapped, mapped_column", "import *").replace(
        "    email: Mapped[str]", '    lines: Mapped[list["Line"]] = relationship()\n    email: Mapped[str]'
    )
    (shop(tmp_path) / "shop" / "models.py").write_text(
        said.format(subject="order", mixin="strangled.Mixin, ", on='"OrderMade",', observe=GOOD)
    )
    data = check(tmp_path)
    (passed,) = [one for one in data["not_looked"] if one["about"] == "model Order"]
    assert "failed to locate a name ('Line')" in passed["why"]
    assert "--app MODULE" in passed["why"]
    assert len(data["held"]) == 1


def test_files_that_are_none_and_names_that_clash_are_named(tmp_path: Path) -> None:
    folder = shop(tmp_path)
    (folder / "gone.py").symlink_to("nowhere.py")
    (folder / "loop.py").symlink_to("loop.py")
    os.mkfifo(folder / "pipe.py")
    (folder / "argparse.py").write_text("from strangler.flask import Strangled\n")
    said = {Path(one["about"]).name: one["why"] for one in check(folder)["not_looked"]}
    assert said["gone.py"] == "not read: No such file or directory"
    assert said["loop.py"].startswith("not read: ")
    assert said["pipe.py"] == "not read: it is no regular file"
    assert "module argparse is " in said["argparse.py"]
    assert "give one of the two another name" in said["argparse.py"]


def test_a_folder_of_too_many_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "MOST_FILES", 2)
    assert "2 Python files were read, none after" in str(check(shop(tmp_path))["not_looked"])


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0c", "\x1c"])
def test_an_event_may_hold_what_other_texts_end_a_line_by(end: str) -> None:
    one = json.dumps({"type": "A", "payload": {"note": f"a{end}b"}}, ensure_ascii=False)
    assert len(read_recorded(f"{one}\n{one}\r\n", "told.json")) == 2


@pytest.mark.parametrize("dsn", ["host=/tmp dbname=shop password=secret", "service=shop", "", "mysql://h/d"])
def test_an_address_that_no_scheme_can_be_put_before_is_refused(dsn: str) -> None:
    process = Process("legacy", "shop", database="DATABASE_URL")
    with pytest.raises(BadInput, match=r"'legacy' gets DATABASE_URL .* postgresql://USER") as refused:
        process.own_databases(dsn)
    assert "secret" not in str(refused.value)
    assert Process("legacy", "shop").own_databases(dsn) == {}
