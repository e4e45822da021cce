"""`python -m shop` serves on PORT; `python -m shop tables` makes the tables."""

import os
import sys

from shop.app import create_app
from shop.models import Model, connect

if sys.argv[1:] == ["tables"]:
    Model.metadata.create_all(connect())
else:
    create_app().run("127.0.0.1", int(os.environ["PORT"]), threaded=True)
