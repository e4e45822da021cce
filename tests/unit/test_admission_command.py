"""`strangler admission dry-run`: an access log in, who would have been refused and lost out."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from strangler.admission.access_log import Logged, NotRead, read_log
from strangler.cli import main

PLAN = """
from strangler import Admission, Belongs, Plan, Route, Subject, WorkClass

plan = Plan(
    name="shop",
    subject=Subject("order", table="public.orders", caller="anonymous"),
    steps=("mail",),
    routes=(Route("POST /orders", creates="order"),),
    admission=Admission(
        classes=(WorkClass("checkout", deadline_s=1), WorkClass("browse", deadline_s=1, floor=0.05)),
        belongs=(Belongs("POST /orders", "checkout"),),
        others="browse",
        slots=5,
    ),
)
"""
NGINX = '192.0.2.{tenant} - - [01/Dec/2026:10:00:{second:02} +0100] "{request} HTTP/1.1" 200 17 "-" "curl/8" 0.020\n'


def busy(seconds: int = 4, a_second: int = 500) -> str:
    """Twice what five slots of 20 ms can do; every tenth request is a checkout."""
    requests = ["POST /orders", *["GET /search?q=1"] * 9]
    return "".join(
        NGINX.format(tenant=number % 9, second=second, request=requests[number % 10])
        for second in range(seconds)
        for number in range(a_second)
    )


def written(folder: Path, text: str, plan: str = PLAN) -> list[str]:
    (folder / "plan.py").write_text(plan)
    (folder / "access.log").write_text(text)
    return ["admission", "dry-run", "--plan", str(folder / "plan.py"), "--log", str(folder / "access.log")]


def asked(argv: Sequence[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, object]:
    assert main([*argv, "--json"]) == code
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_it_says_of_each_class_what_would_have_been_refused_and_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(written(tmp_path, busy()), capsys)
    assert isinstance(found["classes"], list)
    checkout, browse = found["classes"]
    assert (checkout["class"], checkout["requests"], checkout["lost"]) == ("checkout", 200, 0)
    assert browse["requests"] == 1_800
    assert browse["refused"] == sum(browse["by"].values()) > 600
    assert 0 < browse["lost"] < browse["refused"]
    assert (found["requests"], found["slots"], found["not_read"]) == (2_000, 5, {"lines": 0, "first": []})


def test_for_people_it_states_what_it_assumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(written(tmp_path, busy(1))) == 0
    out = capsys.readouterr().out
    assert "500 first attempts of" in out
    assert "2026-12-01T09:00:00+00:00" in out
    assert "80% of the refused heed Retry-After" in out


def test_rules_that_look_at_what_no_log_holds_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = PLAN.replace("belongs=(", 'belongs=(Belongs("POST /orders", "browse", "cookie:kiosk"), ')
    assert main(written(tmp_path, busy(1), plan)) == 0
    assert "rules with a caller lower nobody, POST /orders" in capsys.readouterr().out
    assert asked(written(tmp_path, busy(1), plan), capsys)["callers_not_seen"] == ["POST /orders"]


@pytest.mark.parametrize(
    "more", [["--slots", "7"], ["--retries", "0"], ["--obedient", "0%"], ["--service-s", "0.01"], ["--seed", "2"]]
)
def test_each_assumption_changes_the_answer(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = written(tmp_path, busy())
    assert asked([*argv, *more], capsys)["classes"] != asked(argv, capsys)["classes"]


def test_a_log_comes_from_stdin_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = written(tmp_path, busy(1))
    monkeypatch.setattr("sys.stdin", io.StringIO(busy(1)))
    assert asked([*argv[:-1], "-"], capsys) == asked(argv, capsys)


def test_a_second_attempt_with_a_key_is_none_of_the_first_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"time": "2026-12-01T10:00:00.5Z", "method": "POST", "path": "/orders", "status": 201, "duration_ms": 20}
    lines = [{**said, "idempotency_key": key, "tenant": who} for key, who in ("aa", "aa", "ba", "ab")]
    text = "".join(f"{json.dumps(line)}\n" for line in lines)
    found = asked(written(tmp_path, text), capsys)
    assert (found["requests"], found["repeats"]) == (3, 1)


def test_lines_that_cannot_be_read_are_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = written(tmp_path, busy(1) + "nonsense\n\n" + '{"time": 1}\n' + busy(1))
    assert main([*argv, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["not_read"]["lines"] == 2
    assert "line 501 is left out: it is neither common" in said.err
    assert "line 503 is left out: it has no method" in said.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty"),
        ("\n\n", "it is empty"),
        ("one\ntwo\n", "line 1: it is neither common or combined log format nor a JSON object"),
        (busy(1).replace(" 0.020\n", "\n"), "the log does not say how long requests took"),
    ],
)
def test_nothing_read_is_an_error_and_no_result(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(written(tmp_path, text)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err


def test_a_plan_without_admission_and_a_log_that_is_not_there_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = PLAN[: PLAN.index("    admission=")] + ")\n"
    assert main(written(tmp_path, busy(1), bare)) == 2
    assert "plan 'shop' has no admission; declare it: docs/reference/admission.md" in capsys.readouterr().err
    argv = written(tmp_path, busy(1))
    assert main([*argv[:-1], str(tmp_path / "gone.log")]) == 2
    assert "gone.log cannot be read: No such file" in capsys.readouterr().err


def only(line: str) -> Logged | NotRead:
    (found,) = read_log(io.StringIO(line))
    return found


AT = 1796115600.0  # 2026-12-01T09:00:00Z


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        (
            '192.0.2.1 - ann [01/Dec/2026:10:00:00 +0100] "GET /a?b HTTP/1.1" 200 17',
            Logged(AT, "GET", "/a?b", 200, None, "ann", ""),
        ),
        (
            '::1 - - [01/Dec/2026:09:00:00 +0000] "POST /a HTTP/2.0" 503 - "http://r\\"" "x \\"y\\"" 20123',
            Logged(AT, "POST", "/a", 503, 0.020123, "::1", ""),
        ),
        (
            '::1 - - [01/Dec/2026:09:00:00 +0000] "POST /a HTTP/2.0" 200 5 "-" "x" upstream 0.250',
            Logged(AT, "POST", "/a", 200, 0.25, "::1", ""),
        ),
        (
            '{"ts": 1796115600.0, "request": "GET /a HTTP/1.1", "status": "200", "request_time": "0.1", "user": "ann"}',
            Logged(AT, "GET", "/a", 200, 0.1, "ann", ""),
        ),
        (
            '{"@timestamp": "2026-12-01T10:00:00+01:00", "method": "GET", "uri": "/a", "status": 200, "duration_s": 1}',
            Logged(AT, "GET", "/a", 200, 1.0, "", ""),
        ),
        (
            '{"time": 1796115600000, "method": "GET", "path": "/a", "status": 200, "duration_ms": 50, "key": "k"}',
            Logged(AT, "GET", "/a", 200, 0.05, "", "k"),
        ),
    ],
)
def test_a_line_of_each_format_is_read(line: str, logged: Logged) -> None:
    assert only(line) == logged


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('::1 - - [01/Dec/2026:09:00:00 +0000] "\\x16\\x03" 400 5', "is no METHOD TARGET"),
        ('::1 - - [01/Dez/2026:09:00:00 +0000] "GET / HTTP/1.1" 200 5', "is not as 10/Oct/2026:13:55:36 +0000"),
        ('::1 - - [32/Dec/2026:09:00:00 +0000] "GET / HTTP/1.1" 200 5', "day"),
        ('{"time": 1, "method": "GET"}', "it has no target"),
        ('{"method": "GET", "path": "/"}', "it has no time"),
        ('{"time": "soon", "method": "GET", "path": "/"}', "soon"),
        ('{"time": 1e40, "method": "GET", "path": "/"}', "is no time since 1970"),
        ('{"time": 1, "method": "GET", "path": "/", "duration_ms": "long"}', "long"),
        ('{"time": 1, "method": "GET", "path": "/", "duration_s": -1}', "is no duration"),
        ('{"time": NaN, "method": "GET", "path": "/"}', "is no time since 1970"),
        ("{" * 50_000, "Expecting"),
        ("[" * 70_000, "longer than 64 KiB"),
    ],
)
def test_a_line_that_is_no_request_says_why(line: str, why: str) -> None:
    found = only(line)
    assert isinstance(found, NotRead)
    assert why in found.why


def test_a_line_without_an_end_is_not_held_and_the_next_one_keeps_its_number() -> None:
    """A log that was no text, or cut in two: what is held of a line is bounded, not what is in the file."""
    held: list[int] = []

    class Watched(io.StringIO):
        def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override] # its bases disagree
            piece = super().readline(-1 if size is None else size)
            held.append(len(piece))
            return piece

    found = list(read_log(Watched("x" * 1_000_000 + "\n\n" + '{"time": 1}')))
    assert [one.line for one in found if isinstance(one, NotRead)] == [1, 3]
    assert max(held) < 70_000


def test_slots_that_are_found_must_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = PLAN.replace("import Admission,", "import Admission, FoundSlots,").replace(
        "slots=5", "slots=FoundSlots(start=5, most=50)"
    )
    argv = written(tmp_path, busy(1), found)
    assert main(argv) == 2
    assert "finds its slots, from 5 to 50, and a log does not tell" in capsys.readouterr().err
    assert asked([*argv, "--slots", "5"], capsys)["slots"] == 5
