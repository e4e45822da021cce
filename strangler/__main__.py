"""`python -m strangler`, and the command."""

import sys

from outbox.starting import started


def main() -> int:
    """The exit code."""
    examined = _missing if "doctor" in sys.argv[1:] else None
    install = "pip install 'strangler-toolkit[run]'"
    return started("strangler", "strangler.cli", install=install, missing=examined)


def _missing(what: str, fix: str) -> int:
    """As `strangler doctor` says it, which cannot run without."""
    sys.stdout.write(f"MISSING  {what}: not found\n         fix: {fix}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
