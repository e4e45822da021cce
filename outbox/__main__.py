"""`python -m outbox`, and the command."""

import sys

from outbox.starting import started


def main() -> int:
    """The exit code."""
    return started("outbox", "outbox.cli", install="pip install strangler-toolkit")


if __name__ == "__main__":
    sys.exit(main())
