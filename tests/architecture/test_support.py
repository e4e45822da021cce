"""Tests have one wait, one clock and one HTTP stub, those of tests/support: a second one is named here."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.test_sizes import MODULES as ALL
from tests.architecture.test_sizes import functions

TESTS = Path(__file__).resolve().parents[1]
SUPPORT = TESTS / "support"
OF_THE_PRODUCT = "strangler.local.waiting"
SERVERS = {"http.server", "socketserver", "wsgiref.simple_server"}
TIMES = {"monotonic", "perf_counter", "time"}
ITS_OWN_TEST = TESTS / "unit" / "test_local_waiting.py"
# Functions that wait for nothing: they make a load for so long, at a pace, or as a client that tries again.
LOADS = {
    "customers.py _place",
    "downstream.py send",
    "lag.py _flow",
    "lag.py run_lag",
    "overload.py _capacity",
    "overload.py _flood",
    "poison_sender.py send",
}
MODULES = [path for path in ALL if TESTS in path.parents and SUPPORT not in path.parents]


def test_nobody_but_the_support_waits_keeps_time_or_serves() -> None:
    assert [problem for path in MODULES for problem in problems(path)] == []


def problems(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    loads = {id(node) for load in functions(tree) if f"{path.name} {load.name}" in LOADS for node in ast.walk(load)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        place = f"{path.name}:{node.lineno}"
        if id(node) not in loads and isinstance(node, ast.While | ast.For) and waits(node):
            yield f"{place} waits in a loop of its own: wait_until or comes_true of tests.support.waiting"
        if path != ITS_OWN_TEST and OF_THE_PRODUCT in imported(node):
            yield f"{place} waits as the product does: wait_until of tests.support.waiting says more"
        if isinstance(node, ast.ClassDef) and any(map(tells_the_time, node.body)):
            yield f"{place} {node.name} is a clock: Clock of tests.support.clock"
        for module in imported(node) & SERVERS:
            yield f"{place} imports {module}: http_stub of tests.support.http_stub"


def waits(loop: ast.While | ast.For) -> bool:
    """It goes on until a time, or sleeps and leaves when something is true, or sleeps and does nothing else."""
    inside = [node for statement in loop.body for node in ast.walk(statement)]
    leaves = any(isinstance(node, ast.Return | ast.Raise | ast.Assert | ast.Break) for node in inside)
    if isinstance(loop, ast.For):
        return leaves and any(map(sleeps, inside))
    idle = all(isinstance(statement, ast.Expr) for statement in loop.body)
    return any(map(is_a_deadline, ast.walk(loop))) or (any(map(sleeps, inside)) and (leaves or idle))


def sleeps(node: ast.AST) -> bool:
    """`time.sleep(...)`, or `event.wait(0.01)`: a number as it stands is a pace."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr == "sleep" or (node.func.attr == "wait" and is_a_pace(node))


def is_a_pace(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, float)


def is_a_deadline(node: ast.AST) -> bool:
    """A comparison with the time as it is now."""
    return isinstance(node, ast.Compare) and any(
        isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr in TIMES
        for each in ast.walk(node)
    )


def tells_the_time(node: ast.stmt) -> bool:
    """An object that is called with nothing and gives a number."""
    return (
        isinstance(node, ast.FunctionDef)
        and node.name == "__call__"
        and isinstance(node.returns, ast.Name)
        and node.returns.id == "float"
    )


def imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()


def test_a_second_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "second.py").write_text(
        "import time\n"
        "from http.server import ThreadingHTTPServer\n"
        "from strangler.local.waiting import wait_until\n"
        "class Now:\n"
        "    def __call__(self) -> float: ...\n"
        "def eventually(true):\n"
        "    deadline = time.monotonic() + 30\n"
        "    while not true():\n"
        "        assert time.monotonic() < deadline\n"
        "def soon(true):\n"
        "    for _ in range(3000):\n"
        "        if true():\n"
        "            return\n"
        "        pause.wait(0.01)\n"
    )
    found = sorted(problems(tmp_path / "second.py"))
    assert [problem.split(":")[1].split(" ")[0] for problem in found] == ["11", "2", "3", "4", "8"]


def test_what_is_excused_is_there() -> None:
    found = {f"{path.name} {each.name}" for path in MODULES for each in functions(ast.parse(path.read_text()))}
    assert found >= LOADS
    assert ITS_OWN_TEST in MODULES


def test_a_test_reads_the_lines_of_the_logger_that_it_means() -> None:
    """What else is said depends on what ran before in its process."""
    everything = re.compile(r"caplog\.(records|messages|record_tuples)\b")
    assert [path.name for path in MODULES if everything.search(path.read_text())] == []
