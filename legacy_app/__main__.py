"""`python -m legacy_app`: the monolith, its vendors and its client."""

import sys

from outbox.starting import started


def main() -> int:
    """The exit code."""
    return started("python -m legacy_app", "legacy_app.cli", install="make setup")


if __name__ == "__main__":
    sys.exit(main())
