"""Opens an orders file: plain or gzip, its header checked; what cannot be read is refused with the next step."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from legacy_app.rehearsal.orders_file.header import columns_of
from legacy_app.rehearsal.orders_file.line import MAX_LINE_BYTES
from outbox.command import printable
from strangler.errors import BadInput

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "online_retail_sample.csv.gz"
GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def open_lines(path: Path) -> Iterator[tuple[list[str], Iterator[bytes]]]:
    """The header's columns and the raw lines below it; `BadInput` for a file that cannot be read. It is opened and read
    once, so that it may be a pipe.
    """
    named = printable(str(path))
    try:
        with ExitStack() as stack:
            file = _unpacked(path, stack.enter_context(path.open("rb")))
            yield columns_of(named, file.readline(MAX_LINE_BYTES)), _lines(file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(f"{named} is not a whole gzip file: {error}; compress it again, or give the .csv") from error
    except OSError as error:
        raise BadInput(f"{named} cannot be read: {error.strerror or error}; check --orders-file") from error


def _unpacked(path: Path, file: BinaryIO) -> BinaryIO:
    start = file.read(len(GZIP_MAGIC))
    zipped, named = start == GZIP_MAGIC, path.suffix == ".gz"
    if named and not zipped:
        raise BadInput(f"{printable(str(path))} is not gzip, though its name ends in .gz; compress it, or name it .csv")
    if zipped and not named and path.is_file():  # a pipe has no name of its own
        raise BadInput(f"{printable(str(path))} is gzip, though its name does not end in .gz; name it .csv.gz")
    whole = io.BufferedReader(_Whole(start, file))
    return cast("BinaryIO", gzip.GzipFile(fileobj=whole)) if zipped else cast("BinaryIO", whole)


class _Whole(io.RawIOBase):
    """What was read of a file to know its kind, then the rest of it."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start, self._rest = start, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._start or self._rest.read(len(buffer))
        self._start = b""
        buffer[: len(data)] = data
        return len(data)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Physical lines. One that is too long is given cut, one byte over the limit, and its rest is passed by."""
    while raw := file.readline(MAX_LINE_BYTES + 1):
        if len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
        yield raw
