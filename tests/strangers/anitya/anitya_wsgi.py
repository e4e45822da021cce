"""As its administrators start it: the address of the database comes from the environment."""

import os

from anitya.app import create
from anitya.config import config

app = create(config | {"SQLALCHEMY_DATABASE_URI": os.environ["DATABASE_URL"]})
