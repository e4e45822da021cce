"""What a log says of an application's error: where it was raised, and none of its words."""

from __future__ import annotations

import traceback
from pathlib import Path


def failed_at(error: BaseException) -> str:
    """Where, by file and line, in code that is nobody's package; no message, since its words may be a customer's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or list(frames)
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "nowhere"
