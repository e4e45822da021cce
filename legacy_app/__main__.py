"""`python -m legacy_app`: the monolith, its vendors and its client."""

import sys

from legacy_app.cli import main

sys.exit(main())
