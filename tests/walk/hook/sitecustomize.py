"""Starts the recorder in a process before its own code runs; no product code knows of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.walk.recorder import FOLDER, record

if FOLDER in os.environ:
    record(Path(os.environ[FOLDER]), " ".join(sys.orig_argv[2:5]))
