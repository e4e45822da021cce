"""`python -m strangler`, and the command."""

import sys


def main() -> int:
    """The exit code; 2 where what the command runs on is not installed."""
    try:
        from strangler.cli import main as run  # noqa: PLC0415 - the library needs none of it

        return run()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("outbox", "strangler"):
            raise
        print(f"strangler: {error.name} is missing; pip install 'strangler-toolkit[run]'", file=sys.stderr)  # noqa: T201
        return 2


if __name__ == "__main__":
    sys.exit(main())
