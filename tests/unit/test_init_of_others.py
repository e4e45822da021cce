"""`strangler init` on shapes that published applications have, and their authors would not call unusual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_init import strangler

# As Anitya is laid out: views of which classes are registered by a variable, a bus, migrations without alembic.ini.
FILES = {
    "watch/__init__.py": "",
    "watch/app.py": """
from flask import Flask

from . import views
from .models import db


def create():
    app = Flask(__name__)
    db.init_app(app)
    projects = views.Projects.as_view("projects")
    app.add_url_rule("/projects/", view_func=projects, methods=["POST"])
    app.add_url_rule("/projects/<project_id>/close", view_func=views.close, methods=["POST"])
    return app
""",
    "watch/models.py": """
import sqlalchemy as sa
from sqlalchemy_helpers import Base
from sqlalchemy_helpers.flask_ext import DatabaseExtension

db = DatabaseExtension()


class Project(Base):
    __tablename__ = "projects"
    id = sa.Column(sa.Integer, primary_key=True)
    name = sa.Column(sa.String(200))
""",
    "watch/views.py": """
import requests
from flask import request
from flask.views import MethodView

from watch import lib
from watch.models import Project, db


class Projects(MethodView):
    def post(self):
        project = Project(name=request.json["name"])
        db.session.add(project)
        db.session.commit()
        lib.tell("added", project.name)
        return {"id": project.id}, 201


def close(project_id):
    with requests.Session() as session:
        session.delete(f"http://names.example/{project_id}")
    project = db.session.get(Project, project_id)
    lib.close(db.session, project)
    return {}
""",
    "watch/lib.py": """
import requests
from fedora_messaging import api, message
from watch import local

http = requests.session()


def tell(topic, name):
    local.publish(name)
    api.publish(message.Message(topic=topic, body={"name": name}))


def close(session, project):
    project.name = http.get("http://names.example/").text
    session.add(project)
    session.commit()
""",
    "watch/local.py": "def publish(name):\n    print(name)\n",
    "watch/db/env.py": "from alembic import context\n\ncontext.run_migrations()\n",
}


@pytest.fixture
def seen(tmp_path: Path) -> Any:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return strangler(tmp_path, "init", "--dry-run")[0]


def done_by(seen: Any, path: str) -> list[tuple[str, str]]:
    (route,) = [one for one in seen["routes"] if one["path"] == path]
    return [(one["kind"], one["what"]) for one in route["does"]]


def test_a_view_that_a_variable_holds_and_a_library_that_publishes_are_seen(seen: Any) -> None:
    assert done_by(seen, "/projects/") == [
        ("writes", "Project"),
        ("commits", "commit"),
        ("calls", "fedora_messaging.api.publish"),
    ]
    assert (seen["subject"], seen["step"]) == ("project", "bus")


def test_a_function_is_that_of_its_module_and_a_session_of_requests_is_none_of_the_database(seen: Any) -> None:
    assert done_by(seen, "/projects/<project_id>/close") == [
        ("calls", "requests.Session.delete"),
        ("calls", "requests.session.get"),
        ("writes", "Project"),
        ("commits", "commit"),
    ]


def test_a_session_of_requests_that_a_module_makes_calls_nobody(seen: Any) -> None:
    assert not [one for one in seen["not_understood"] if "outside of any function" in one["why"]]


def test_migrations_without_an_alembic_ini_are_seen_with_what_runs_them(seen: Any) -> None:
    assert seen["database"]["migrations"] == "sqlalchemy-helpers"
    assert 'own_tables=("flask", "--app", "watch/app:create", "db", "sync"),' in seen["files"]["plan.py"]


def test_a_call_of_a_librarys_own_is_asked_by_a_function_and_not_by_http(seen: Any) -> None:
    service = seen["files"]["service.py"]
    assert 'vendors={"bus": FunctionVendor(ask)},' in service
    assert "HttpVendor" not in service
    compile(service, "service.py", "exec")
