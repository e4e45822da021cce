"""A command under `Admit` in a process of its own: `python -m tests.support.bulk_process FOLDER TERMS -- COMMAND`.

There is pressure while FOLDER has a file `pressed`, and a transaction is open while it has one called `open`. TERMS is
JSON, of `Bulk`. What was said and how it went is printed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from strangler.admission.bulk import Bulk
from strangler.bulk.admit import Admit, ToldToEnd

LONG = {"longest_wait_s": 3_000.0, "longest_s": 3_000.0, "slow_s": 3_000.0}


def looked(folder: Path) -> dict[str, float]:
    """FOLDER has a file `waits` once there was pressure at a look."""
    if not (folder / "pressed").exists():
        return {}
    (folder / "waits").touch()
    return {"payment": 6.0}


def main() -> None:
    folder, terms, argv = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[4:]
    told = ToldToEnd()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, told)
    admit = Admit(
        Bulk(**{**LONG, **terms}),
        lambda: looked(folder),
        (folder / "open").exists,
        lambda text: print(text, flush=True),
        told,
    )
    print(json.dumps(asdict(admit.run(argv, os.environ))), flush=True)


if __name__ == "__main__":
    main()
