"""A plan and its services are found where `strangler` is called, also by an installed command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLAN = """
from checks import check
from strangler import Plan, Route, Step, Subject

plan = Plan(
    name="desk",
    subject=Subject("booking", table="public.bookings", caller="anonymous"),
    steps=(Step("mailer:mail", check=check),),
    routes=(Route("POST /checkout", creates="booking"),),
)
"""
CHECKS = """
from strangler import Check

check = Check(identity=str, stateful=False, expected=lambda _: (), actual=lambda _: ())
"""
MAILER = """
from strangler import Policy, Service

policy = Policy.lossless(deadline_s=3600, guard="the mail service's key")
mail = Service("mail", on=("BookingMade",), decide=lambda event: [], policy=policy)
"""


def _installed_command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`strangler` as its script runs it: with neither the working directory nor the plan's folder in its path."""
    script = "import sys; from strangler.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-P", "-c", script, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_plan_and_its_services_are_imported_from_the_working_directory_and_from_beside_the_plan(
    tmp_path: Path,
) -> None:
    shop = tmp_path / "my shop"
    shop.mkdir()
    (shop / "plan.py").write_text(PLAN)
    (shop / "checks.py").write_text(CHECKS)
    (tmp_path / "mailer.py").write_text(MAILER)

    shown = _installed_command(tmp_path, "policy", "check", "--plan", "my shop/plan.py")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "no contradiction" in shown.stdout
