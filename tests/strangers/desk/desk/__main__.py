"""`python -m desk` serves on PORT; `python -m desk tables` makes the tables."""

import os
import sys

from desk.app import create_app
from desk.models import db

app = create_app()
if sys.argv[1:] == ["tables"]:
    with app.app_context():
        db.create_all()
else:
    app.run("127.0.0.1", int(os.environ["PORT"]), threaded=True)
