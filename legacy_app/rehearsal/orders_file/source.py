"""Opens an orders file: plain or gzip, its header checked; what cannot be read is refused with the next step."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from legacy_app.rehearsal.orders_file.line import COLUMNS, MAX_LINE_BYTES
from strangler.errors import BadInput

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "online_retail_sample.csv.gz"
GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def open_lines(path: Path) -> Iterator[tuple[list[str], Iterator[bytes]]]:
    """The header's columns and the raw lines below it; `BadInput` for a file that cannot be read."""
    try:
        with _open(path) as file:
            yield _header(path, file), _lines(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{path} is not a whole gzip file: {error}; compress it again, or give the .csv") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}; check --orders-file") from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == GZIP_MAGIC
    if path.suffix == ".gz" and not zipped:
        raise BadInput(f"{path} is not gzip, though its name ends in .gz; compress it, or name it .csv")
    if path.suffix != ".gz" and zipped:
        raise BadInput(f"{path} is gzip, though its name does not end in .gz; name it .csv.gz")
    return cast("BinaryIO", gzip.GzipFile(path)) if zipped else path.open("rb")


def _header(path: Path, file: BinaryIO) -> list[str]:
    first = file.readline(MAX_LINE_BYTES).decode("utf-8-sig", errors="replace")
    try:
        found = [name.strip().lower() for name in next(csv.reader([first]), [])]
    except csv.Error:
        found = []
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        seen = ", ".join(found)[:200] or "nothing"
        raise BadInput(
            f"{path} lacks the columns {', '.join(missing)}; its first line has: {seen}. "
            f"The first line must name: {','.join(COLUMNS)}"
        )
    if len(set(found)) < len(found):
        raise BadInput(f"{path} names a column twice in its first line; each may stand once")
    return found


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Physical lines. One that is too long is given cut, one byte over the limit, and its rest is passed by."""
    while raw := file.readline(MAX_LINE_BYTES + 1):
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
        yield raw
