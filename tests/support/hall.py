"""An application of another shape than the samples: a source layout, a factory, blueprints, helpers that commit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FILES: Mapping[str, str] = {
    "requirements.txt": "flask>=3\nflask-sqlalchemy\npsycopg[binary]>=3.2\nrequests\n",
    "src/hall/__init__.py": """
import os

from flask import Flask

from . import tickets
from .extensions import db


def create_app(config=None):
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["HALL_DATABASE_URL"]
    app.config.update(config or {})
    db.init_app(app)
    app.register_blueprint(tickets.views.bp, url_prefix="/api")

    with app.app_context():
        db.create_all()
    return app
""",
    "src/hall/extensions.py": """
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
""",
    "src/hall/tickets/__init__.py": "from . import views\n",
    "src/hall/tickets/models.py": """
from ..extensions import db


class Ticket(db.Model):
    __tablename__ = "tickets"

    id = db.Column(db.Integer, primary_key=True)
    guest = db.Column(db.String(200), nullable=False)
    seat = db.Column(db.String(10), nullable=False)
    cents = db.Column(db.Integer, nullable=False)

    def to_dict(self):
        return {"id": self.id, "guest": self.guest, "seat": self.seat, "cents": self.cents}
""",
    "src/hall/tickets/letters.py": '''
import os

import requests

API = os.getenv("LETTERS_URL", "http://127.0.0.1:9")


def send_ticket(ticket):
    """Told by letter, as ever."""
    requests.post(
        f"{API}/messages",
        json={"to": ticket.guest, "subject": f"Your seat {ticket.seat}", "cents": ticket.cents},
        timeout=10,
    ).raise_for_status()
''',
    "src/hall/tickets/views.py": """
from flask import Blueprint, jsonify, request

from ..extensions import db
from .letters import send_ticket
from .models import Ticket

bp = Blueprint("tickets", __name__)


@bp.get("/tickets/<int:ticket_id>")
def show(ticket_id):
    return jsonify(db.get_or_404(Ticket, ticket_id).to_dict())


@bp.route("/tickets", methods=["POST"])
def buy():
    form = request.get_json()
    ticket = Ticket(guest=form["guest"], seat=form["seat"], cents=form["cents"])
    save(ticket)
    send_ticket(ticket)
    return jsonify(ticket.to_dict()), 201


@bp.route("/tickets/<int:ticket_id>", methods=["DELETE"])
def give_back(ticket_id):
    ticket = db.get_or_404(Ticket, ticket_id)
    db.session.delete(ticket)
    db.session.commit()
    return "", 204


def save(row):
    db.session.add(row)
    db.session.commit()
""",
}


def build(folder: Path, files: Mapping[str, str] = FILES) -> Path:
    """Write the files below the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.removeprefix("\n"))
    return folder
